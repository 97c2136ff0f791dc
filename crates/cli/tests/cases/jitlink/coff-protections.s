# Sections of one name may be protected in different ways: each is where its kind is.
#! llvm wants one protection for a name
#! check {at 0x100000}

        .text
        .globl  main
main:   retq
        .section mixed,"dr"
        .globl  constant
constant:
        .quad   1
        .section mixed,"dw",discard,variable
        .globl  variable
variable:
        .quad   2
        .section mixed,"xr",discard,code
        .globl  code
code:   movl    $3, %eax
        retq
        .data
        .globl  distances
distances:
        .quad   constant, variable, code

# Reading comes first, a page later writing, a page later code.
# jitlink-check: constant = 0x100000
# jitlink-check: (variable >> 12) = 0x101
# jitlink-check: (code >> 12) = 0x102
# jitlink-check: *{8}constant = 1
# jitlink-check: *{8}variable = 2
# jitlink-check: decode_operand(code, 1) = 3
# jitlink-check: *{8}(distances + 16) = code
