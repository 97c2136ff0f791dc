# Functions that take their own address without a relocation, and code that can't be decoded.
#! check {at 0x100000} self-relocations.o -add-self-relocations -show-graphs=self
#! prints => (block + 0x00000003), addend = -0x00000004, kind = Delta32, target = main
#! check {at 0x100000} self-relocations.o -show-graphs=self
#! prints =>     no edges
#! run self-relocations.o -add-self-relocations => 0
#! error data.o self-relocations.o -add-self-relocations -alias go=data -entry go => failed to disassemble at address 0x0000000000000002

        .text
        .globl  main
        .type   main,@function
main:
.Lmain: leaq    .Lmain(%rip), %rax
        leaq    end(%rip), %rcx
        xorl    %eax, %eax
end:    ret
        .size   main, .-main

#--- data.s
        .text
        .globl  data
        nop
        .type   data,@function
data:   nop
        .byte   6
        .size   data, .-data

# jitlink-check: decode_operand(main, 4) = main - next_pc(main)
