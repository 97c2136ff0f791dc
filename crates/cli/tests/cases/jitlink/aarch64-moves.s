# Values in moves of 16 bits each: addresses, and numbers with a sign for which `movz` becomes `movn`.
#! llvm It has no R_AARCH64_MOVW_UABS_G0.
#! check {at 0x10000000} -abs wide=0x123456789abcdef0 -abs small=0x1234 -abs number=0x8765 -check-name positive
#! llvm It has no R_AARCH64_MOVW_UABS_G0.
#! check {at 0x10000000} -abs wide=0xffffffffffffffff -abs small=0xffff -abs number=0xffffffffffff8765 -check-name negative
#! error {at 0x10000000} -abs wide=0 -abs small=0x10000 -abs number=0 => out of range
#! error {at 0x10000000} -abs wide=0 -abs small=0 -abs number=0x10000 => out of range
#! error {at 0x10000000} -abs wide=0 -abs small=0 -abs number=0xfffffffffffeffff => out of range

        .text
        .globl  main, g3, g2, g1, g0, checked, signed
        .type   main,@function
main:   ret
        .size   main, 4
g3:     movz    x0, #:abs_g3:wide
        .size   g3, 4
g2:     movk    x0, #:abs_g2_nc:wide
        .size   g2, 4
g1:     movk    x0, #:abs_g1_nc:wide
        .size   g1, 4
g0:     movk    x0, #:abs_g0_nc:wide
        .size   g0, 4
checked: movz   x1, #:abs_g0:small
        .size   checked, 4
signed: movz    x2, #:abs_g0_s:number
        .size   signed, 4

# positive: decode_operand(g3, 1) = wide[63:48]
# positive: decode_operand(g2, 2) = wide[47:32]
# positive: decode_operand(g1, 2) = wide[31:16]
# positive: decode_operand(g0, 2) = wide[15:0]
# positive: decode_operand(checked, 1) = small
# positive: *{4}signed = 0xd2800002 | (number << 5)

# negative: decode_operand(g3, 1) = wide[63:48]
# negative: decode_operand(g0, 2) = wide[15:0]
# negative: decode_operand(checked, 1) = small
# A complement: `movn`.
# negative: *{4}signed = 0x92800002 | ((0xffffffffffffffff - number)[15:0] << 5)
