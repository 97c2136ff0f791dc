# Offsets in the image (ADDR32NB). Where nobody says where the image begins they are addresses below 4 GiB, as LLVM has it;
# above, they are relative to the last multiple of that.
#! check {at 0x100000} -check-name=null-check coff-image.o
#! check {at 0xffff0000} -check-name=null-check coff-image.o
#! check {at 0x100000} -abs __ImageBase=0xff000 -check-name=said-check coff-image.o
#! check {at 0x100000} -check-name=object-check -entry start header.o coff-image.o
#! error {at 0x100000} -abs __ImageBase=0x200000 coff-image.o => out of range
#! llvm knows no image that nobody defines
#! check {at 0x200000000} -check-name=above-check coff-image.o
#! llvm knows no image that nobody defines
#! check {at 0x100000} -check-name=named-check -entry named named.o

        .text
        .globl  main
main:   retq
        .data
        .globl  offsets
offsets:
        .long   main@IMGREL
        .long   main@IMGREL+8
        .long   local@IMGREL
local:  .long   0

# null-check: *{4}offsets = main
# null-check: *{4}(offsets + 4) = main + 8
# null-check: *{4}(offsets + 8) = local
#
# said-check: *{4}offsets = main - __ImageBase
# said-check: *{4}(offsets + 8) = local - __ImageBase
#
# above-check: *{4}offsets = main - 0x200000000

# Code that refers to the start of the image has to reach it: it is where the first graph is.
#--- named.s
        .text
        .globl  named
named:  leaq    __ImageBase(%rip), %rax
        .data
        .globl  base
base:   .quad   __ImageBase
        .long   named@IMGREL

# named-check: *{8}base = 0x100000
# named-check: decode_operand(named, 4) = 0x100000 - next_pc(named)
# named-check: *{4}(base + 8) = named - 0x100000

# An object may have the header.
#--- header.s
        .section .header,"dr"
        .globl  __ImageBase
__ImageBase:
        .ascii  "MZ"
        .text
        .globl  start
start:  callq   main

# object-check: *{2}__ImageBase = 0x5a4d
# object-check: *{4}offsets = main - __ImageBase
