# Dumps of COFF graphs: live symbols with sizes up to the next one, weak ones that other objects may have, too, and
# displacements from the end of the field.
#! check {at 0xfff00000} -abs __ImageBase=0xfff00000 -show-graphs=.*
#! prints => section .dead:
#! prints =>   block 0xfff01010 size = 0x0000000d, align = 16, alignment-offset = 0
#! prints =>       0xfff01010 (block + 0x00000000): size: 0x00000005, linkage: strong, scope: default, live  -   main
#! prints =>       0xfff01010 (block + 0x00000000): size: 0x00000005, linkage: strong, scope: local, live  -   .text
#! prints =>       0xfff01015 (block + 0x00000005): size: 0x00000008, linkage: strong, scope: default, live  -   second
#! prints =>       0xfff01011 (block + 0x00000001), addend = +0x00000000, kind = PCRel32, target = any
#! prints =>       0xfff01000 (block + 0x00000000): size: 0x00000001, linkage: weak, scope: default, live  -   any
#! prints => section __common:
#! prints =>   block 0xfff00008 size = 0x00000008, align = 8, alignment-offset = 0, zero-fill
#! prints =>       0xfff00000 (block + 0x00000000), addend = +0x00000003, kind = Pointer64, target = .text

        .text
        .globl  main, second
        .p2align 4
main:   callq   any
second: leaq    variable(%rip), %rax
        retq
        .section .dead,"xr"
        retq
        .section .text,"xr",discard,any
        .globl  any
        .p2align 4
any:    retq
        .data
        .globl  variable
variable:
        .quad   .text+3
        .comm   tentative, 8

# jitlink-check: *{8}variable = main + 3
# jitlink-check: decode_operand(main, 0) = any - next_pc(main)
