# Every static relocation that compilers rarely or never use, checked by the program itself: it exits with the number
# of the first check that fails. GNU ld dies on it.
# compilers: gcc clang-19
# flags:
# expect: done
# native: no
        .globl  main
        .text
        .type   main, @function
main:
        pushq   %rbx
        pushq   %r12
        subq    $8, %rsp
        leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rbx       # GOTPC32
        movabsq $_GLOBAL_OFFSET_TABLE_-gotpc, %rax      # GOTPC64
gotpc_end:
        .set    gotpc, gotpc_end - 8
        leaq    gotpc(%rip), %rcx
        addq    %rcx, %rax
        movl    $1, %edi
        cmpq    %rbx, %rax
        jne     fail

        movabsq $value@GOTOFF, %rax                     # GOTOFF64
        movl    $2, %edi
        cmpq    $0x1234, (%rbx,%rax)
        jne     fail

        movabsq $value@GOT, %rax                        # GOT64
        movq    (%rbx,%rax), %rax
        movl    $3, %edi
        cmpq    $0x1234, (%rax)
        jne     fail

        movabsq $answer@PLTOFF, %rax                    # PLTOFF64
        addq    %rbx, %rax
        call    *%rax
        movl    $4, %edi
        cmpl    $42, %eax
        jne     fail

        movl    $5, %edi
        cmpl    $24, size32(%rip)                       # SIZE32
        jne     fail
        movl    $6, %edi
        cmpq    $24 + 3, size64(%rip)                   # SIZE64
        jne     fail

        movl    $7, %edi
        leaq    pc64(%rip), %rax                        # PC64
        addq    pc64(%rip), %rax
        cmpq    $0x1234, (%rax)
        jne     fail

        movl    $8, %edi
        movswq  pc16(%rip), %rax                        # PC16
        leaq    pc16(%rip), %rcx
        addq    %rcx, %rax
        leaq    near(%rip), %rcx
        cmpq    %rcx, %rax
        jne     fail

        movl    $9, %edi
        movsbq  pc8(%rip), %rax                         # PC8
        leaq    pc8(%rip), %rcx
        addq    %rcx, %rax
        leaq    near(%rip), %rcx
        cmpq    %rcx, %rax
        jne     fail

        movl    $10, %edi
        cmpw    $0x4321, abs16(%rip)                    # 16 against an absolute symbol
        jne     fail
        movl    $11, %edi
        cmpb    $0x21, abs8(%rip)                       # 8
        jne     fail
        movl    $12, %edi
        cmpl    $0x87654321, abs32(%rip)                # 32
        jne     fail

        data16                                          # TLSGD
        leaq    tls_value@TLSGD(%rip), %rdi
        .word   0x6666
        rex64
        call    __tls_get_addr@PLT
        movl    $13, %edi
        cmpq    $77, (%rax)
        jne     fail
        movq    %rax, %r12

        leaq    tls_value@TLSLD(%rip), %rdi             # TLSLD, DTPOFF32
        call    __tls_get_addr@PLT
        leaq    tls_value@DTPOFF(%rax), %rcx
        movl    $14, %edi
        cmpq    %rcx, %r12
        jne     fail

        leaq    tls_value@TLSLD(%rip), %rdi             # DTPOFF64
        call    __tls_get_addr@PLT
        movabsq $tls_value@DTPOFF, %rcx
        addq    %rax, %rcx
        movl    $15, %edi
        cmpq    %rcx, %r12
        jne     fail

        movq    tls_value@GOTTPOFF(%rip), %rax          # GOTTPOFF
        addq    %fs:0, %rax
        movl    $16, %edi
        cmpq    %rax, %r12
        jne     fail

        movq    %fs:0, %rax                             # TPOFF32
        leaq    tls_value@TPOFF(%rax), %rax
        movl    $17, %edi
        cmpq    %rax, %r12
        jne     fail

        movabsq $tls_value@TPOFF, %rax                  # TPOFF64
        addq    %fs:0, %rax
        movl    $18, %edi
        cmpq    %rax, %r12
        jne     fail

        leaq    tls_value@TLSDESC(%rip), %rax           # GOTPC32_TLSDESC, TLSDESC_CALL
        call    *tls_value@TLSCALL(%rax)
        addq    %fs:0, %rax
        movl    $19, %edi
        cmpq    %rax, %r12
        jne     fail

        movl    $20, %edi                               # GOTPCRELX: mov, call, jmp, and what has no relaxed form
        movq    value@GOTPCREL(%rip), %rax
        cmpq    $0x1234, (%rax)
        jne     fail
        call    *answer@GOTPCREL(%rip)
        movl    $21, %edi
        cmpl    $42, %eax
        jne     fail
        leaq    value(%rip), %rax
        movl    $22, %edi
        cmpq    value@GOTPCREL(%rip), %rax
        jne     fail
        movl    $23, %edi
        testq   %rax, value@GOTPCREL(%rip)
        je      fail
        xorl    %eax, %eax
        addq    value@GOTPCREL(%rip), %rax
        movl    $24, %edi
        cmpq    $0x1234, (%rax)
        jne     fail
        pushq   value@GOTPCREL(%rip)
        popq    %rax
        movl    $25, %edi
        cmpq    $0x1234, (%rax)
        jne     fail
        movq    absolute@GOTPCREL(%rip), %rax           # the entry of an absolute symbol
        movl    $26, %edi
        movl    $0x87654321, %ecx
        cmpq    %rcx, %rax
        jne     fail
        movq    nobody@GOTPCREL(%rip), %rax             # the entry of a weak symbol that nobody defines
        movl    $27, %edi
        testq   %rax, %rax
        jne     fail

        movl    $28, %edi
        movl    low_value(%rip), %eax                   # 32S
        movl    $value, %eax
        cmpq    $0x1234, (%rax)
        jne     fail
        movq    $value, %rax
        cmpq    $0x1234, (%rax)
        jne     fail
        call    tail
        movl    $29, %edi
        cmpl    $42, %eax
        jne     fail

        leaq    text(%rip), %rdi
        call    puts@PLT
        xorl    %eax, %eax
        addq    $8, %rsp
        popq    %r12
        popq    %rbx
        ret
fail:
        movl    %edi, %eax
        addq    $8, %rsp
        popq    %r12
        popq    %rbx
        ret
tail:
        jmp     *answer@GOTPCREL(%rip)
        .size   main, . - main

        .weak   nobody
        .section .rodata
text:   .asciz  "done"
low_value:
        .long   0
        .data
        .balign 8
        .globl  pc64, size32, size64
size64: .quad   value@SIZE + 3
size32: .long   value@SIZE
abs32:  .long   absolute
abs16:  .word   absolute16
abs8:   .byte   absolute8
        .balign 8
pc64:   .quad   value - .
pc16:   .word   near - .
pc8:    .byte   near - .
        .globl  near
near:   .byte   0

        .section .tdata, "awT", @progbits
        .balign 8
        .globl  tls_value
        .type   tls_value, @object
        .size   tls_value, 8
        .quad   1
tls_value:
        .quad   77
        .section .note.GNU-stack, "", @progbits
