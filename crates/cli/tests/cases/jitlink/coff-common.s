# Tentative definitions: the largest counts, a definition more than any.
#! llvm does not take the alignment of the largest
#! check {at 0x100000}

        .text
        .globl  main
main:   movl    tentative(%rip), %eax
        movl    defined(%rip), %eax
        .data
        .globl  pointers
pointers:
        .quad   tentative
        .quad   defined
        .comm   tentative, 4
        .comm   defined, 64

#--- second.s
        .comm   tentative, 32
        .data
        .globl  defined
defined:
        .quad   7

# jitlink-check: *{8}pointers = tentative
# jitlink-check: *{8}(pointers + 8) = defined
# jitlink-check: tentative & 31 = 0
# jitlink-check: *{4}tentative = 0
# jitlink-check: *{8}defined = 7
