# .eh_frame: a record is linked with its function, and refers to it and to its CIE.
#! check {at 0x100000}

        .text
        .globl  main, second
        .type   main,@function
main:
        .cfi_startproc
        ret
        .size   main, .-main
        .cfi_endproc
        .type   second,@function
second:
        .cfi_startproc
        nop
        ret
        .size   second, .-second
        .cfi_endproc

# A CIE of 24 bytes, then two records of 20: length, distance to the CIE, distance to the function, its size.
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame)) = 20
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 4) = 0
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 28) = 28
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 32) = (main - (section_addr(unwind.o, .eh_frame) + 32))[31:0]
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 36) = 1
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 48) = 48
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 52) = (second - (section_addr(unwind.o, .eh_frame) + 52))[31:0]
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 56) = 2
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 64) = 0
