# Absolute fields of every width: S + A (psABI, "Relocation Types").
#! check {at 0x10000} -abs x64=0xfedcba9876543210 -abs x32=0xfffffff0 -abs x32s=0x7ffffff0 -abs x16=0xfff0 -abs x8=0xf0
#! check {at 0x10000} -abs x64=0 -abs x32=0 -abs x32s=0xffffffff80000000 -abs x16=0 -abs x8=0
# A field holds the value or it does not.
#! error {at 0x10000} -abs x64=0 -abs x32=0xfffffffd -abs x32s=0 -abs x16=0 -abs x8=0 => relocation target 0x100000000 (x32:0xfffffffd + 0x3) is out of range of Pointer32 fixup
#! error {at 0x10000} -abs x64=0 -abs x32=0 -abs x32s=0x80000000 -abs x16=0 -abs x8=0 => is out of range of Pointer32Signed fixup
#! error {at 0x10000} -abs x64=0 -abs x32=0 -abs x32s=0xffffffff7fffffff -abs x16=0 -abs x8=0 => is out of range of Pointer32Signed fixup
#! error {at 0x10000} -abs x64=0 -abs x32=0 -abs x32s=0 -abs x16=0x10000 -abs x8=0 => is out of range of Pointer16 fixup
#! error {at 0x10000} -abs x64=0 -abs x32=0 -abs x32s=0 -abs x16=0 -abs x8=0x100 => is out of range of Pointer8 fixup

        .text
        .globl  main
main:
        movl    $x32+3, %eax
        .size   main, .-main
        .globl  sign
sign:
        movq    $x32s, %rax
        .size   sign, .-sign

        .data
        .globl  p64, p64add, p32, p16, p8, p64local
p64:    .quad   x64
        .size   p64, 8
p64add: .quad   x64 - 5
        .size   p64add, 8
p32:    .long   x32 + 3
        .size   p32, 4
p16:    .short  x16
        .size   p16, 2
p8:     .byte   x8
        .size   p8, 1
p64local: .quad sign + 2
        .size   p64local, 8

# jitlink-check: *{8}p64 = x64
# jitlink-check: *{8}p64add = x64 - 5
# jitlink-check: *{4}p32 = (x32 + 3)[31:0]
# jitlink-check: *{2}p16 = x16
# jitlink-check: *{1}p8 = x8
# jitlink-check: *{8}p64local = sign + 2
# jitlink-check: decode_operand(main, 1)[31:0] = (x32 + 3)[31:0]
# jitlink-check: decode_operand(sign, 1) = x32s
