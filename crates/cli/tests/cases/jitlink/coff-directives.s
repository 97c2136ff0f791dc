# What objects of COFF tell the linker in `.drectve`.
#! llvm follows no chains
#! check {at 0x100000} coff-directives.o included.o
#! llvm follows no chains
#! check {at 0x100000} -check-name=defined-check coff-directives.o included.o defined.o
#! llvm stumbles over the mark
#! check {at 0x100000} -entry marked -check-name=marked-check marked.o
#! llvm exports nothing
#! check {at 0x100000} -check-name=exported-check importer.o -lother -jd other exporter.o
#! error {at 0x100000} -entry importer importer.o exporter.o => Symbols not found: [ public ]
#! error coff-directives.o included.o mismatch.o => mismatch of 'Setting': 1 in coff-directives.o, 2 in mismatch.o
#! error -entry undecided undecided.o => mismatch of 'Setting': 1 in undecided.o, 2 in undecided.o
#! error coff-directives.o => Symbols not found: [ included ]

        .section .drectve,"yn"
        .ascii  " /alternatename:missing=substitute /alternatename:chained=missing /include:included"
        .ascii  " -aligncomm:\"tentative\",6 /failifmismatch:\"Setting=1\" /defaultlib:nowhere.lib /nodefaultlib"
        .ascii  " /export:main,DATA /merge:.a=.b /section:.c,rw /guardsym:main,S /entry:main /stack:1 /heap:1"
        .text
        .globl  main, call, chain
main:   movl    tentative(%rip), %eax
call:   callq   missing
chain:  callq   chained
        retq
        .globl  substitute
substitute:
        retq
        .comm   small, 4
        .comm   tentative, 12

#--- included.s
        .data
        .globl  included
included:
        .quad   0x1122

#--- defined.s
        .text
        .globl  missing
missing:
        retq

#--- mismatch.s
        .section .drectve,"yn"
        .ascii  " /failifmismatch:\"Setting=2\""

#--- undecided.s
        .section .drectve,"yn"
        .ascii  " /failifmismatch:Setting=1 /failifmismatch:Setting=2"
        .text
        .globl  undecided
undecided:
        retq

# Exports are for other JITDylibs.
#--- importer.s
        .text
        .globl  main, importer
main:
importer:
        callq   public
        retq

#--- exporter.s
        .section .drectve,"yn"
        .ascii  " /export:public=private_name,@7 /export:private_name"
        .text
        .globl  private_name
private_name:
        retq

# exported-check: decode_operand(main, 0) = private_name - next_pc(main)

# Directives may begin with a mark of their encoding, in any case of letters, and with either sign.
#--- marked.s
        .section .drectve,"yn"
        .ascii  "\357\273\277-AlternateName:absent=present   /DEFAULTLIB:\"with space.lib\" -exclude-symbols:marked\0"
        .text
        .globl  marked, present
marked: callq   absent
present:
        retq

# marked-check: decode_operand(marked, 0) = present - next_pc(marked)

# jitlink-check: decode_operand(call, 0) = substitute - next_pc(call)
# jitlink-check: decode_operand(chain, 0) = substitute - next_pc(chain)
# jitlink-check: *{8}included = 0x1122
# jitlink-check: tentative & 63 = 0
#
# defined-check: decode_operand(call, 0) = missing - next_pc(call)
# defined-check: decode_operand(chain, 0) = missing - next_pc(chain)
