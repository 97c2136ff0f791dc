# Pointers to functions in every section that is called at start and exit, with priorities, in two objects.
# compilers: gcc
# flags:
        .text
        .globl  main
main:
        subq    $8, %rsp
        leaq    in_main(%rip), %rdi
        call    puts@PLT
        addq    $8, %rsp
        xorl    %eax, %eax
        ret
        .macro  say name
\name:  leaq    1f(%rip), %rdi
        jmp     puts@PLT
        .section .rodata
1:      .asciz  "\name"
        .text
        .endm
        say     preinit
        say     ctors1
        say     ctors2
        say     ctors_65000
        say     init_array
        say     init_array_500
        say     dtors1
        say     dtors2
        say     fini_array
        say     fini_array_500
        .section .rodata
in_main:
        .asciz  "main"
        .section .preinit_array, "aw", @preinit_array
        .quad   preinit
        .section .ctors, "aw", @progbits
        .quad   ctors1
        .quad   ctors2
        .section .ctors.65000, "aw", @progbits
        .quad   ctors_65000
        .section .init_array, "aw", @init_array
        .quad   init_array
        .section .init_array.00500, "aw", @init_array
        .quad   init_array_500
        .section .dtors, "aw", @progbits
        .quad   dtors1
        .quad   dtors2
        .section .fini_array, "aw", @fini_array
        .quad   fini_array
        .section .fini_array.00500, "aw", @fini_array
        .quad   fini_array_500
        .section .note.GNU-stack, "", @progbits
