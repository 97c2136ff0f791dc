# Z + A: sizes of symbols, defined here and elsewhere.
#! llvm takes the size of an external symbol to be 0
#! check {at 0x100000}

        .text
        .globl  main
main:   ret
        .size   main, 1
        .data
        .globl  here, size64, size32, size64there
here:   .zero   24
        .size   here, 24
size64: .quad   0
        .size   size64, 8
        .reloc  size64, R_X86_64_SIZE64, here + 2
size32: .long   0
        .size   size32, 4
        .reloc  size32, R_X86_64_SIZE32, here - 1
size64there: .quad 0
        .size   size64there, 8
        .reloc  size64there, R_X86_64_SIZE64, there

#--- other.s
        .data
        .globl  there
there:  .zero   5
        .size   there, 5

# jitlink-check: *{8}size64 = 26
# jitlink-check: *{4}size32 = 23
# jitlink-check: *{8}size64there = 5
