        .section .init, "ax", @progbits
        jmp     1f
        ud2
1:      leaq    text(%rip), %rdi
        call    puts@PLT
        .section .rodata
text:   .asciz  "init of the other"
        .section .note.GNU-stack, "", @progbits
