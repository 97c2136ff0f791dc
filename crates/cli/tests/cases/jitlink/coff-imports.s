# Code that was told that something is another image's finds it through a slot, wherever it is.
#! llvm makes no slots
#! check {at 0x100000} -abs outside=0x7ff700000000 coff-imports.o
#! error coff-imports.o => Symbols not found: [ __imp_outside ]
#! error coff-imports.o dll.lib => Symbols not found: [ __imp_outside ]
#! llvm looks for the DLL
#! check {at 0x100000} -abs outside=0x7ff700000000 coff-imports.o dll.lib
#! archive outside.lib outside.s
#! llvm makes no slots
#! check {at 0x100000} -check-name=linked-check coff-imports.o outside.lib
#! llvm makes no slots
#! check {at 0x100000} -check-name=linked-check coff-imports.o -L. -loutside

# Of what is null, the slot is null, too.
#! check {at 0x100000} -check-name=phony-check -phony-externals -no-process-syms coff-imports.o
#! error circle.o => alias '__imp_circle' is defined by itself
#! error slots.o => Symbols not found: [ __imp___imp_main ]

        .text
        .globl  main, load, inside
main:   callq   *__imp_outside(%rip)
load:   movq    __imp_inside(%rip), %rax
inside: retq

# jitlink-check: *{8}__imp_outside = outside
# jitlink-check: *{8}__imp_inside = inside
# jitlink-check: decode_operand(main, 3) = __imp_outside - next_pc(main)
# jitlink-check: decode_operand(load, 4) = __imp_inside - next_pc(load)

# phony-check: decode_operand(main, 3) = 0-next_pc(main)

#--- outside.s
        .text
        .globl  outside
outside:
        retq

# linked-check: *{8}__imp_outside = outside
# linked-check: decode_operand(main, 3) = __imp_outside - next_pc(main)

#--- dll.def
LIBRARY dll.dll
EXPORTS
  outside

#--- circle.s
        .section .drectve,"yn"
        .ascii  " /alternatename:circle=__imp_circle"
        .text
        .globl  main
main:   jmpq    *__imp_circle(%rip)

#--- slots.s
        .text
        .globl  main
main:   jmpq    *__imp___imp_main(%rip)
