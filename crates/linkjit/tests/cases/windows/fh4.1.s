# int NAME(void (*f)(void)) { try { Object object; f(); return 0; } catch (int n) { return n; } }
# The object is at 40 of the frame, n at 32. States: 0 in try, 1 with the object, 2 in catch.
    .macro define name, handler
    .text
    .globl  \name
    .def    \name; .scl 2; .type 32; .endef
    .seh_proc \name
\name:
    pushq   %rbp
    .seh_pushreg %rbp
    subq    $64, %rsp
    .seh_stackalloc 64
    leaq    64(%rsp), %rbp
    .seh_setframe %rbp, 64
    .seh_endprologue
    nop
1:
    nop
2:
    callq   *%rcx
    nop
3:
    xorl    %eax, %eax
    nop
4:
    addq    $64, %rsp
    popq    %rbp
    retq
5:
    movl    -32(%rbp), %eax
    nop
    addq    $64, %rsp
    popq    %rbp
    retq
    .seh_handler \handler, @unwind, @except
    .seh_handlerdata
    .long   6f@IMGREL
    .ifc    \handler,__GSHandlerCheck_EH4
    .long   0
    .endif
    .text
    .seh_endproc

# The body of catch, which gets the frame in rdx and says which address of its list it goes on at.
    .seh_proc \name\()_catch
\name\()_catch:
    movq    %rdx, 16(%rsp)
    pushq   %rbp
    .seh_pushreg %rbp
    subq    $32, %rsp
    .seh_stackalloc 32
    leaq    64(%rdx), %rbp
    .seh_endprologue
    movl    $0, -24(%rbp)
    xorl    %eax, %eax
    addq    $32, %rsp
    popq    %rbp
    retq
    .seh_endproc

# Numbers below 128 are written as twice the number.
    .section .xdata,"dr"
6:  .byte   0x18
    .long   7f@IMGREL
    .long   8f@IMGREL
    .long   0f@IMGREL
7:  .byte   3 * 2
    .byte   (1 << 2) * 2
    .byte   (1 << 2 | 1) * 2
    .long   destroy_object@IMGREL
    .byte   40 * 2
    .byte   (8 << 2) * 2
8:  .byte   1 * 2, 0 * 2, 1 * 2, 2 * 2
    .long   9f@IMGREL
9:  .byte   1 * 2, 0x16
    .long   "??_R0H@8"@IMGREL
    .byte   32 * 2
    .long   \name\()_catch@IMGREL
    .byte   (5b - \name) * 2
0:  .byte   4 * 2
    .byte   0 * 2, 0 * 2
    .byte   (1b - \name) * 2, 1 * 2
    .byte   (2b - 1b) * 2, 2 * 2
    .byte   (3b - 2b) * 2, 0 * 2
    .endm

    define  guarded, __CxxFrameHandler4
    define  guarded_with_cookie, __GSHandlerCheck_EH4
