# A tentative definition yields to a definition, is zeros otherwise, and is aligned as it asks.
#! check {at 0x100000} common.o
#! check {at 0x100000} common.o strong.o -check-name strong

        .text
        .globl  main
main:   leaq    shared(%rip), %rax
        .size   main, .-main
        .data
        .globl  pointer
pointer: .quad  shared
        .size   pointer, 8
        .comm   shared,8,64

#--- strong.s
        .data
        .globl  shared
shared: .quad   42
        .size   shared, 8

# jitlink-check: *{8}shared = 0
# jitlink-check: shared & 63 = 0
# jitlink-check: section_addr(common.o, .common) = shared
# jitlink-check: decode_operand(main, 4) = shared - next_pc(main)
# strong: *{8}pointer = shared
# strong: *{8}shared = 42
# strong: section_addr(strong.o, .data) = shared
