# Addresses from GOT entries.
#! llvm It has no R_AARCH64_GOT_LD_PREL19.
#! check {at 0x10000000} -abs outside=0x123456789abcdef0
#! llvm It has no R_AARCH64_GOT_LD_PREL19.
#! check {at 0x10000000} -abs outside=0x10

        .text
        .globl  main, page, load, literal, distance
        .type   main,@function
main:   ret
        .size   main, 4
page:   adrp    x0, :got:outside
        .size   page, 4
load:   ldr     x0, [x0, :got_lo12:outside]
        .size   load, 4
literal: ldr    x1, :got:outside
        .size   literal, 4
        .data
        .globl  distance
distance: .word 0
        .size   distance, 4
        .reloc  distance, R_AARCH64_GOTPCREL32, outside

# jitlink-check: *{8}(got_addr(aarch64-got.o, outside)) = outside
# jitlink-check: decode_operand(page, 1)[20:0] = (got_addr(aarch64-got.o, outside) - page + page[11:0])[32:12]
# jitlink-check: decode_operand(load, 2) = got_addr(aarch64-got.o, outside)[11:3]
# jitlink-check: decode_operand(literal, 1)[18:0] = (got_addr(aarch64-got.o, outside) - literal)[20:2]
# jitlink-check: *{4}distance = (got_addr(aarch64-got.o, outside) - distance)[31:0]
