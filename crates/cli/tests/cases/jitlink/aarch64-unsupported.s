# Thread-local storage is not linked yet: that is said, not skipped.
#! error {at 0x10000000} => unsupported relocation R_AARCH64_TLSDESC_ADR_PAGE21
#! alone LLVM knows it.

        .text
        .globl  main
        .type   main,@function
main:   adrp    x0, :tlsdesc:variable
        ldr     x1, [x0, :tlsdesc_lo12:variable]
        add     x0, x0, :tlsdesc_lo12:variable
        .tlsdesccall variable
        blr     x1
        ret
        .size   main, .-main
        .section .tbss,"awT",@nobits
        .globl  variable
variable: .zero 4
