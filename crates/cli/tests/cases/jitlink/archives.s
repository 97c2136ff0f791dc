# A member is linked when something of it is wanted; the first archive that defines a name wins.
#! archive libone.a one.s unused.s
#! archive libtwo.a two.s
#! check {at 0x100000} archives.o libone.a libtwo.a
#! check {at 0x100000} archives.o -L. -lone -hidden-l=two
#! check {at 0x100000} archives.o --load_hidden=libone.a -L. -ltwo
#! error {at 0x100000} archives.o libone.a => Symbols not found: [ deeper ]
#! error {at 0x100000} archives.o -L. -lthree => While linking main, could not find library for -lthree
#! error {at 0x100000} archives.o -Lnowhere => While linking main, -Lnowhere does not point to a directory

        .text
        .globl  main
main:   call    one
        .size   main, .-main

#--- one.s
        .text
        .globl  one
one:    call    deeper
        .size   one, .-one

#--- unused.s
        .data
        .globl  unused
unused: .quad   missing

#--- two.s
        .text
        .globl  deeper
deeper: ret
        .size   deeper, 1

# jitlink-check: decode_operand(main, 0) = one - next_pc(main)
# jitlink-check: section_addr(libone.a[0](one.o), .text) = one
# jitlink-check: section_addr(libtwo.a[0](two.o), .text) = deeper
