# Fields of 16 and 8 bits hold numbers of either sign: psABI asks only that they hold the value.
#! llvm takes numbers without a sign only
#! check {at 0x10000} -abs minus=0xffffffffffffffff -abs least=0xffffffffffffff80
#! error {at 0x10000} -abs minus=0xffffffffffffffff -abs least=0xffffffffffffff7f => out of range of Pointer8 fixup

        .text
        .globl  main
main:   ret
        .size   main, 1
        .data
        .globl  p16, p8
p16:    .short  minus
        .size   p16, 2
p8:     .byte   least
        .size   p8, 1

# jitlink-check: *{2}p16 = 0xffff
# jitlink-check: *{1}p8 = 0x80
