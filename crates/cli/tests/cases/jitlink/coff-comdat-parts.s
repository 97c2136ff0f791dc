# What is in and goes with COMDAT sections: leaders that are not at the start, several names, local names, sections that
# go with others, through others, and those of GNU's compilers, which go by name.
#! llvm gives up at a second name in a COMDAT section
#! check {at 0x100000} -abs __ImageBase=0x100000 coff-comdat-parts.o
#! llvm gives up at a second name in a COMDAT section
#! check {at 0x100000} -abs __ImageBase=0x100000 -check-name=second-check -entry other first.o coff-comdat-parts.o

        .text
        .globl  main
main:   callq   f
        retq

        .section .text$f,"xr",discard,f
        nop
        .globl  f, f_too
f:      retq
f_too:  nop
f_local:
        nop
        .section .rdata$r,"dr",discard,vftable
locator:
        .quad   0x1111
        .globl  vftable
vftable:
        .quad   f
        .section .data$c,"dw",associative,f
child:  .quad   5
        .globl  child_name
child_name:
        .quad   child

        .data
        .globl  pointers
pointers:
        .quad   .rdata$r
        .quad   locator
        .quad   vftable
        .quad   f_too

#--- first.s
        .text
        .globl  other
other:  callq   f
        callq   pointers
        retq
        .section .text$f,"xr",discard,f
        .globl  f, f_too
f:      retq
f_too:  int3

# The symbol of a section stands for its start, not for its leader.
# jitlink-check: *{8}pointers = locator
# jitlink-check: *{8}(pointers + 8) = vftable - 8
# jitlink-check: *{8}(pointers + 16) = vftable
# jitlink-check: *{8}(pointers + 24) = f + 1
# jitlink-check: *{1}f_too = 0x90
# jitlink-check: *{8}vftable = f
# jitlink-check: *{8}child_name = child
# jitlink-check: *{8}child = 5
#
# second-check: *{1}f_too = 0xcc
# second-check: *{8}(pointers + 24) = f_too
# second-check: *{8}vftable = f
