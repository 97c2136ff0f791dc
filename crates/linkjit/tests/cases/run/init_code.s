# Code in .init and .fini, which is run before the initializers and after the terminators.
# compilers: gcc
# flags:
        .text
        .globl  main
main:
        leaq    in_main(%rip), %rdi
        subq    $8, %rsp
        call    puts@PLT
        addq    $8, %rsp
        movl    value(%rip), %eax
        ret
constructor:
        leaq    in_constructor(%rip), %rdi
        jmp     puts@PLT
destructor:
        leaq    in_destructor(%rip), %rdi
        jmp     puts@PLT
        .data
value:  .long   1
        .section .rodata
in_main:        .asciz  "main"
in_constructor: .asciz  "constructor"
in_destructor:  .asciz  "destructor"
in_init:        .asciz  "init"
in_fini:        .asciz  "fini"
        .section .init_array, "aw", @init_array
        .quad   constructor
        .section .fini_array, "aw", @fini_array
        .quad   destructor
        .section .init, "ax", @progbits
        movl    $5, value(%rip)
        leaq    in_init(%rip), %rdi
        call    puts@PLT
        .section .fini, "ax", @progbits
        leaq    in_fini(%rip), %rdi
        call    puts@PLT
        .section .note.GNU-stack, "", @progbits
