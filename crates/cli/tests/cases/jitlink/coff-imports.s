# Code that was told that something is another image's finds it through a slot, wherever it is.
#! llvm makes no slots
#! check {at 0x100000} -abs outside=0x7ff700000000
#! error => Symbols not found: [ __imp_outside ]

        .text
        .globl  main, load, inside
main:   callq   *__imp_outside(%rip)
load:   movq    __imp_inside(%rip), %rax
inside: retq

# jitlink-check: *{8}__imp_outside = outside
# jitlink-check: *{8}__imp_inside = inside
# jitlink-check: decode_operand(main, 3) = __imp_outside - next_pc(main)
# jitlink-check: decode_operand(load, 4) = __imp_inside - next_pc(load)
