# The edges of a displacement of 32 bits, which is relative to the end of its instruction. `main` is at the slab's start,
# and 7 bytes long.
#! check {at 0x100000000} -abs target=0x180000006
#! check {at 0x100000000} -abs target=0x80000007
#! error {at 0x100000000} -abs target=0x180000007 => In graph delta-range.o, section .text: relocation target 0x180000003 (target:0x180000007 + 0xfffffffffffffffc) is out of range of Delta32 fixup at address 0x100000003 (main, 0x100000000 + 0x3)
#! error {at 0x100000000} -abs target=0x80000006 => is out of range of Delta32 fixup

        .text
        .globl  main
main:   leaq    target(%rip), %rax
        .size   main, .-main

# jitlink-check: decode_operand(main, 4) = target - next_pc(main)
