# What the linker makes for a graph comes last in its segments: the arguments of `__tls_get_addr` and the GOT, in the
# order in which they were needed, and stubs, which are six bytes each, right behind the code. All records of an unwind
# table are its own, and the word of zeros that ends it.
#! check {at 0x100000} -phony-externals -show-addrs
#! prints =>   Section "$__TLSINFO": target addr = 0x0000000000100038,
#! prints =>   Section "$__GOT": target addr = 0x0000000000100048,
#! prints =>   Section "$__STUBS": target addr = 0x0000000000102015,
#! prints => (12 bytes)
#! prints =>   Section ".eh_frame": target addr = 0x0000000000100000,
#! prints => (52 bytes)

# jitlink-check: section_addr(tables-of-linker.o, $__TLSINFO) = 0x100038
# jitlink-check: decode_operand(main, 4) = section_addr(tables-of-linker.o, $__TLSINFO) - next_pc(main)
# jitlink-check: section_addr(tables-of-linker.o, $__GOT) = 0x100048
# jitlink-check: section_addr(tables-of-linker.o, $__STUBS) = main + 0x15
# jitlink-check: stub_addr(tables-of-linker.o, second) = stub_addr(tables-of-linker.o, first) + 6
# jitlink-check: *{2}stub_addr(tables-of-linker.o, second) = 0x25ff

        .text
        .globl  main
main:   .cfi_startproc
        .byte   0x66
        leaq    variable@TLSGD(%rip), %rdi
        .size   main, . - main
calls:  call    first@PLT
        call    second@PLT
        nop
        nop
        nop
        .cfi_endproc
        .size   calls, . - calls

        .section .tdata,"awT",@progbits
variable:
        .quad   1
        .size   variable, 8
