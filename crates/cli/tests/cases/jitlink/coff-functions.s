# Records of functions are in the order of their functions, whichever sections they come from.
#! llvm leaves them in the order of their sections
#! check {at 0x100000} -abs __ImageBase=0x100000

        .text
        .globl  main
main:   .seh_proc main
        subq    $40, %rsp
        .seh_stackalloc 40
        .seh_endprologue
        callq   helper
        addq    $40, %rsp
        retq
        .seh_endproc
helper: .seh_proc helper
        subq    $8, %rsp
        .seh_stackalloc 8
        .seh_endprologue
        addq    $8, %rsp
        retq
        .seh_endproc

        .section .text,"xr",discard,another
        .globl  another
another: .seh_proc another
        subq    $24, %rsp
        .seh_stackalloc 24
        .seh_endprologue
        addq    $24, %rsp
        retq
        .seh_endproc

# The smaller section comes first, as it does in LLVM.
# jitlink-check: *{4}section_addr(coff-functions.o, .pdata) = another - 0x100000
# jitlink-check: *{4}(section_addr(coff-functions.o, .pdata) + 12) = main - 0x100000
# jitlink-check: *{4}(section_addr(coff-functions.o, .pdata) + 16) = main + 14 - 0x100000
# jitlink-check: *{4}(section_addr(coff-functions.o, .pdata) + 24) = main + 14 - 0x100000
# jitlink-check: section_addr(coff-functions.o, .pdata) & 3 = 0
