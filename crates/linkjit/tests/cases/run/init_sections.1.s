        .text
        .macro  say name
\name:  leaq    1f(%rip), %rdi
        jmp     puts@PLT
        .section .rodata
1:      .asciz  "other \name"
        .text
        .endm
        say     ctors1
        say     ctors_100
        say     init_array
        say     init_array_500
        say     dtors1
        say     fini_array
        .section .ctors, "aw", @progbits
        .quad   ctors1
        .section .ctors.00100, "aw", @progbits
        .quad   ctors_100
        .section .init_array, "aw", @init_array
        .quad   init_array
        .section .init_array.00500, "aw", @init_array
        .quad   init_array_500
        .section .dtors, "aw", @progbits
        .quad   dtors1
        .section .fini_array, "aw", @fini_array
        .quad   fini_array
        .section .note.GNU-stack, "", @progbits
