# Tentative definitions: the largest counts, with the strictest alignment, a definition more than any.
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
        .quad   aligned_here
        .quad   aligned_there
        .comm   tentative, 4
        .comm   defined, 64
        .comm   aligned_here, 4
        .comm   aligned_there, 8
        .section .drectve,"yn"
        .ascii  " -aligncomm:\"aligned_here\",8"

#--- second.s
        .comm   tentative, 32
        .comm   aligned_here, 8
        .comm   aligned_there, 4
        .section .drectve,"yn"
        .ascii  " -aligncomm:\"aligned_there\",9"
        .data
        .globl  defined
defined:
        .quad   7

# jitlink-check: *{8}pointers = tentative
# jitlink-check: *{8}(pointers + 8) = defined
# jitlink-check: tentative & 31 = 0
# jitlink-check: *{4}tentative = 0
# jitlink-check: aligned_here & 0xff = 0
# jitlink-check: aligned_there & 0x1ff = 0
# jitlink-check: *{8}defined = 7
