# Addresses in two instructions, a page and a place in it, and in one. Places of loads count in units of what is loaded.
#! check {at 0x10000000} -abs far=0x10345670
#! check {at 0x10000000} -abs far=0xfff0
#! check {at 0x10000000} -abs far=0x10ffffff0
#! check {at 0x100000000000} -abs far=0xfff00000010
#! error {at 0x10000000} -abs far=0x123456789000 => is out of range of Page21 fixup
#! error {at 0x10000000} -abs far=0x10345674 => is not aligned as the instruction requires

        .text
        .globl  main, page, add, byte, half, word, xword, vector, close, literal
        .type   main,@function
main:   ret
        .size   main, 4
page:   adrp    x0, far
        .size   page, 4
add:    add     x0, x0, :lo12:far
        .size   add, 4
byte:   ldrb    w1, [x0, :lo12:far]
        .size   byte, 4
half:   ldrsh   w1, [x0, :lo12:far]
        .size   half, 4
word:   str     w1, [x0, :lo12:far]
        .size   word, 4
xword:  ldr     x1, [x0, :lo12:far]
        .size   xword, 4
vector: ldr     q1, [x0, :lo12:far]
        .size   vector, 4
close:  adr     x1, after
        .size   close, 4
literal: ldr    x1, after
        .size   literal, 4
        .section .text.after,"ax",@progbits
        .globl  after
after:  .xword  far
        .size   after, 8

# jitlink-check: decode_operand(page, 1)[20:0] = (far - page + page[11:0])[32:12]
# jitlink-check: decode_operand(add, 2) = far[11:0]
# jitlink-check: decode_operand(byte, 2) = far[11:0]
# jitlink-check: decode_operand(half, 2) = far[11:1]
# jitlink-check: decode_operand(word, 2) = far[11:2]
# jitlink-check: decode_operand(xword, 2) = far[11:3]
# jitlink-check: decode_operand(vector, 2) = far[11:4]
# jitlink-check: decode_operand(close, 1) = after - close
# jitlink-check: decode_operand(literal, 1) = (after - literal)[20:2]
# jitlink-check: *{8}after = far
