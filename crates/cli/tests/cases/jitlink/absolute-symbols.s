# Symbols with a value instead of a place (SHN_ABS): the value is the same wherever the code is.
#! llvm does not find symbols that have a value only
#! check {at 0x100000}

        .globl  value, large
        .set    value, 0x1234
        .set    large, 0x123456789abcdef0
        .text
        .globl  main
main:   movl    $value, %eax
        .size   main, .-main
        .data
        .globl  pointer, both
pointer: .quad  value + 4
        .size   pointer, 8
both:   .quad   large
        .size   both, 8

# jitlink-check: value = 0x1234
# jitlink-check: *{8}pointer = value + 4
# jitlink-check: *{8}both = large
# jitlink-check: decode_operand(main, 1) = value
