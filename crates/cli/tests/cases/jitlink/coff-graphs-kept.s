# Dumps of COFF graphs: the symbols of sections that are there because others are, and who keeps them.
#! check {at 0xfff00000} -abs __ImageBase=0xfff00000 -show-graphs=.*
#! prints =>       0xfff00008 (block + 0x00000000): size: 0x00000008, linkage: strong, scope: local, live  -   child
#! prints => (block + 0x00000000): size: 0x00000004, linkage: strong, scope: local, live  -   grandchild
#! prints => linkage: strong, scope: local, live  -   .xdata
#! prints => (block + 0x00000000), addend = +0x00000000, kind = Keep-Alive, target = child
#! prints => (block + 0x00000000), addend = +0x00000000, kind = Keep-Alive, target = grandchild
#! prints => section dropped:

        .text
        .globl  main
main:   callq   parent
        retq
        .section .text,"xr",discard,parent
        .globl  parent
parent: .seh_proc parent
        subq    $40, %rsp
        .seh_stackalloc 40
        .seh_endprologue
        nop
        addq    $40, %rsp
        retq
        .seh_endproc
        .section child,"dr",associative,parent
of_parent:
        .quad   0
        .section grandchild,"dr",associative,parent
        .long   0
        .section dropped,"dr"
        .quad   0

# jitlink-check: section_addr(coff-graphs-kept.o, child) = 0xfff00008
