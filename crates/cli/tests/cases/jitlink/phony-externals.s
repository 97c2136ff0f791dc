# With -phony-externals what nobody defines is zero.
#! check {at 0x1000} -phony-externals -no-process-syms
#! error {at 0x1000} -no-process-syms => Symbols not found: [ a_missing, b_missing
#! check {at 0x1000} -no-process-syms -abs a_missing=0 -abs b_missing=0 -abs puts=0
#! check {at 0x1000} -phony-externals -check-name process
#! run -phony-externals -entry null => 0
#! run -phony-externals -no-process-syms -entry null => 0
#! run -no-process-syms -abs a_missing=0 -abs b_missing=0 -abs puts=0 -entry null => 0
#! error -no-process-syms -entry override => Symbols not found: [ a_missing, b_missing
#! run -no-process-syms -abs a_missing=0 -abs b_missing=0 -abs puts=0 -entry override => 3
#! error -no-process-syms -abs a_missing=0 -abs puts=0 => Symbols not found: [ b_missing ]

        .text
        .globl  main, null, override
main:   call    b_missing
        .size   main, .-main
null:   movq    puts@GOTPCREL(%rip), %rax
        ret
        .size   null, .-null
override:
        pushq   %rbx
        movl    $3, %edi
        call    *own(%rip)
        popq    %rbx
        ret
        .size   override, .-override
        .data
        .globl  pointer
pointer: .quad  a_missing + 5
        .size   pointer, 8
own:    .quad   llvm_jitlink_setTestResultOverride

# process: *{8}(got_addr(phony-externals.o, puts)) = 0
# jitlink-check: *{8}pointer = 5
# jitlink-check: *{8}(got_addr(phony-externals.o, b_missing)) = 0
