# Where things are: one range per graph, in it read, read-write and read-execute, each on a page; content before zeros;
# sections in the order of the file.
#! check {at 0xfff00000} layout.o
#! check {at 0x0} layout.o -check-name zero
#! check -slab-allocate 1Mb -slab-page-size 16384 -slab-address 0xfff00ff4 layout.o -check-name odd
#! check {at 0x10000} layout.o second.o -entry second -check-name second

        .section .rodata.b,"a",@progbits
        .globl  readb
readb:  .byte   1
        .size   readb, 1
        .section .rodata.a,"a",@progbits
        .p2align 3
        .globl  reada
reada:  .quad   2
        .size   reada, 8
        .bss
        .globl  zeros
        .p2align 4
zeros:  .zero   16
        .size   zeros, 16
        .data
        .globl  data
data:   .quad   3
        .size   data, 8
        .text
        .p2align 4
        .globl  main
main:   nop
        ret
        .size   main, .-main

#--- second.s
        .text
        .globl  second
second: leaq    main(%rip), %rax
        .size   second, .-second

# jitlink-check: readb = 0xfff00000
# jitlink-check: reada = 0xfff00008
# jitlink-check: data = 0xfff01000
# jitlink-check: zeros = 0xfff01010
# jitlink-check: main = 0xfff02000
# jitlink-check: *{8}zeros = 0
# zero: readb = 0
# zero: *{1}readb = 1
# zero: main = 0x2000
# odd: readb = 0xfff00ff4
# odd: reada = 0xfff00ff8
# odd: data = 0xfff04ff4
# odd: zeros = 0xfff05000
# odd: main = 0xfff09000
# second: second = 0x10000
# second: readb = 0x11000
# second: main = 0x13000
