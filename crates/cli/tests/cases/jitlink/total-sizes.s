# How large the files are, before anything is left out, and when all is linked.
#! check {at 0x100000} total-sizes.o -pre-prune-total-block-size -post-fixup-total-block-size -entry other -phony-externals
#! prints => Statistics:
#! prints =>   Total size of all blocks before pruning: 421
#! prints =>   Total size of all blocks after fixups: 113
#! run total-sizes.o -pre-prune-total-block-size => 0
#! prints =>   Total size of all blocks before pruning: 421

        .text
        .globl  main, other
        .type   main,@function
main:   .cfi_startproc
        movq    space@GOTPCREL(%rip), %rax
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   main, .-main
other:  jmp     puts@PLT
        .size   other, .-other
        .comm   space, 24, 8
        .section .comment,"",@progbits
        .ascii  "nobody needs this"
        .section .rodata.unused,"a",@progbits
        .quad   5

# jitlink-check: *{8}(got_addr(total-sizes.o, space)) = space
