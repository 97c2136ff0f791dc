# Data that is read-only after relocation is among what is written, the unwind table among what is read; initializers
# that nobody refers to are not linked.
#! check {at 0x10000}

        .section .data.rel.ro,"aw",@progbits
        .globl  constant
constant: .quad main
        .size   constant, 8
        .section .rodata,"a",@progbits
        .globl  byte
byte:   .byte   1
        .size   byte, 1
        .section .init_array,"aw",@init_array
        .quad   unwanted
        .section .text.unwanted,"ax",@progbits
unwanted: ret
        .data
        .globl  data
data:   .quad   3
        .size   data, 8
        .text
        .globl  main
        .type   main,@function
main:
        .cfi_startproc
        ret
        .cfi_endproc
        .size   main, .-main

# jitlink-check: byte = 0x10000
# jitlink-check: section_addr(layout-of-tables.o, .eh_frame) = 0x10008
# jitlink-check: data = 0x11008
# jitlink-check: constant = 0x11000
# jitlink-check: main = 0x12000
