# Functions of lazy files are their stubs, as nobody calls them; what else is wanted of such a file is linked with it.
#! llvm needs the ORC runtime for that
#! check {at 0x100000} lazy.o -lazy function.o -lazy variable.o
#! llvm needs the ORC runtime for that
#! check {at 0x100000} -lazy variable.o -lazy function.o lazy.o
#! llvm needs the ORC runtime for that
#! check {at 0x100000} -lazy variable.o -jd other -lazy function.o -jd main lazy.o -l other
#! error {at 0x100000} lazy.o function.o -lazy variable.o => Symbols not found: [ nowhere ]
#! error {at 0x100000} lazy.o function.o -lazy function.o -lazy variable.o => duplicate definition of symbol 'function'
#! llvm needs the ORC runtime for that
#! run -lazy variable.o lazy.o -lazy function.o => 5

        .text
        .globl  main
        .type   main,@function
main:   testb   %al, variable(%rip)
        jmp     2f
        .globl  calls
        .type   calls,@function
calls:  call    function
        .size   calls, .-calls
2:      pushq   %rax
        call    beside@PLT
        popq    %rcx
        ret
        .size   main, .-main
        .data
        .globl  pointer
pointer:
        .quad   function

#--- function.s
        .text
        .globl  function
        .type   function,@function
function:
        call    nowhere@PLT
        ret
        .size   function, .-function

#--- variable.s
        .data
        .globl  variable
variable:
        .quad   inside
        .quad   beside
        .text
        .type   inside,@function
inside: call    beside
        ret
        .size   inside, .-inside
        .globl  beside
        .type   beside,@function
beside: movl    $5, %eax
        ret
        .size   beside, .-beside

# jitlink-check: decode_operand(calls, 0) = function - next_pc(calls)
# jitlink-check: *{8}pointer = function
# jitlink-check: *{2}function = 0x25ff
# jitlink-check: *{2}beside = 0x25ff
# jitlink-check: *{8}(variable + 8) = beside
# jitlink-check: decode_operand(inside, 0) = section_addr(variable.o, .text) + 6 - next_pc(inside)
