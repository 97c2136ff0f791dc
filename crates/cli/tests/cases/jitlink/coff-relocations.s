# Relocations of COFF that assemblers make. Offsets in the image are relative to `__ImageBase`, wherever that is said to
# be; those in sections, and numbers of sections, are those of the object.
#! llvm has no ADDR32
#! check {at 0x100000} -abs __ImageBase=0xf0000 -abs base=0xf0000

        .text
        .globl  main, store8, store16, store32, load, tail, branch, number, other
main:   callq   other
tail:   jmp     other
branch: je      other
store8: movb    $5, variable(%rip)
store16:
        movw    $5, variable+2(%rip)
store32:
        movl    $5, variable(%rip)
load:   leaq    variable(%rip), %rax
other:  retq

        .data
        .globl  pointers, offsets, variable
pointers:
        .quad   main
        .quad   main+4
        .long   main
        .long   main-1
offsets:
        .long   main@IMGREL
        .long   main@IMGREL+8
number: .secidx variable
        .secrel32 variable
        .secrel32 variable+4
variable:
        .quad   0

# jitlink-check: decode_operand(main, 0) = other - next_pc(main)
# jitlink-check: decode_operand(tail, 0) = other - next_pc(tail)
# jitlink-check: decode_operand(branch, 0) = other - next_pc(branch)
# jitlink-check: decode_operand(store8, 3) = variable - next_pc(store8)
# jitlink-check: decode_operand(store16, 3) = variable + 2 - next_pc(store16)
# jitlink-check: decode_operand(store32, 3) = variable - next_pc(store32)
# jitlink-check: decode_operand(load, 4) = variable - next_pc(load)
# jitlink-check: *{8}pointers = main
# jitlink-check: *{8}(pointers + 8) = main + 4
# jitlink-check: *{4}(pointers + 16) = main
# jitlink-check: *{4}(pointers + 20) = main - 1
# jitlink-check: *{4}offsets = main - base
# jitlink-check: *{4}(offsets + 4) = main + 8 - base
# jitlink-check: *{2}number = 2
# jitlink-check: *{4}(number + 2) = variable - section_addr(coff-relocations.o, .data)
# jitlink-check: *{4}(number + 6) = variable + 4 - section_addr(coff-relocations.o, .data)
