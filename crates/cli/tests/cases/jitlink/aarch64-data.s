# Addresses and distances in data, and unwind records.
#! llvm It has no R_AARCH64_ABS16.
#! check {at 0x10000000} -abs value=0x1234 -abs near=0x20000000
#! llvm It has no R_AARCH64_ABS16.
#! check {at 0x10000000} -abs value=0x1234 -abs near=0x8fffff00
#! error {at 0x10000000} -abs value=0x12345 -abs near=0x20000000 => is out of range of Pointer16 fixup
#! error {at 0x10000000} -abs value=0x1234 -abs near=0x190000000 => is out of range of Delta32 fixup

        .text
        .globl  main
        .type   main,@function
main:   .cfi_startproc
        ret
        .cfi_endproc
        .size   main, .-main
        .data
        .globl  word, half, quarter, distance, distance64
word:   .xword  main + 4
        .size   word, 8
half:   .word   value
        .size   half, 4
quarter: .hword value
        .size   quarter, 2
        .balign 4
distance: .word near - .
        .size   distance, 4
        .balign 8
distance64: .xword near - .
        .size   distance64, 8

# jitlink-check: *{8}word = main + 4
# jitlink-check: *{4}half = value
# jitlink-check: *{2}quarter = value
# jitlink-check: *{4}distance = (near - distance)[31:0]
# jitlink-check: *{8}distance64 = near - distance64
# The record of the function: its address comes after the length and the pointer to the common record.
# jitlink-check: *{4}(section_addr(aarch64-data.o, .eh_frame) + 0x1c)[31:0] = \
# jitlink-check:   (main - (section_addr(aarch64-data.o, .eh_frame) + 0x1c))[31:0]
