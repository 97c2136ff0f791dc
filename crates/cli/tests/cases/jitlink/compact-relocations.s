# Relocations in the compact encoding (SHT_CREL): a difference each to the one before, of places, symbols, types, addends.
#! assemble --crel
#! llvm takes no notice of them
#! check {at 0x100000} -abs far=0x7ff700000000

        .text
        .globl  main, jump, load, back
main:   callq   other
        .zero   300
jump:   jmp     main+0x1000
load:   movq    far@GOTPCREL(%rip), %rax
        leaq    data-4(%rip), %rcx
back:   leaq    main(%rip), %rdx
        .section .text.other,"ax",@progbits
        .globl  other
other:  retq

        .data
        .globl  data
data:   .quad   main
        .quad   main-0x123456
        .long   other+7
        .zero   1024
        .quad   far
        .long   main
        .quad   data-.
        .zero   8

# jitlink-check: decode_operand(main, 0) = other - next_pc(main)
# jitlink-check: decode_operand(jump, 0) = main + 0x1000 - next_pc(jump)
# jitlink-check: decode_operand(load, 4) = got_addr(compact-relocations.o, far) - next_pc(load)
# jitlink-check: decode_operand(back, 4) = main - next_pc(back)
# jitlink-check: *{8}data = main
# jitlink-check: *{8}(data + 8) = main - 0x123456
# jitlink-check: *{4}(data + 16) = other + 7
# jitlink-check: *{8}(data + 1044) = far
# jitlink-check: *{4}(data + 1052) = main
# jitlink-check: *{8}(data + 1056) = 0 - 1056
