# Weak symbols as assemblers make them: a definition stands for itself until there is another, a reference is null.
#! llvm wants what weak symbols stand for to be in a section
#! check {at 0x100000} coff-weak.o
#! llvm wants what weak symbols stand for to be in a section
#! check {at 0x100000} -check-name=replaced-check coff-weak.o strong.o
#! llvm wants what weak symbols stand for to be in a section
#! check {at 0x100000} -check-name=first-check coff-weak.o another.o
#! archive strong.a strong.s
#! llvm wants what weak symbols stand for to be in a section
#! check {at 0x100000} coff-weak.o strong.a
#! llvm finds no leader of the group then
#! check {at 0x100000} -check-name=named-check named.o

        .text
        .globl  main, call
        .weak   defined, missing
main:   retq
call:   callq   defined
defined:
        retq
        .data
        .globl  pointers
pointers:
        .quad   defined
        .quad   missing

#--- strong.s
        .text
        .globl  defined, missing
        nop
defined:
        retq
missing:
        retq

#--- named.s
        .section .text,"xr",one_only,target
        .globl  main, target
target: nop
main:   retq
        .weak   name
        .set    name, target

# named-check: name = target
# named-check: *{1}name = 0x90

#--- another.s
        .text
        .weak   defined
defined:
        nop
        retq
        .globl  of_another
of_another:
        retq

# jitlink-check: *{8}pointers = defined
# jitlink-check: defined - next_pc(call) = 0
# jitlink-check: *{8}(pointers + 8) = 0
#
# replaced-check: *{8}pointers = missing - 1
# replaced-check: *{8}(pointers + 8) = missing
#
# first-check: *{8}pointers = next_pc(call)
