# Code in .init, which would be run between what the C library's start files put around it, is refused, not forgotten.
# error: errors_init_code.s.o:.init
# error: make it a function in .init_array
# compilers: gcc
# flags:
        .text
        .globl  main
main:
        movl    value(%rip), %eax
        ret
        .data
value:  .long   1
        .section .init, "ax", @progbits
        movl    $5, value(%rip)
        .section .note.GNU-stack, "", @progbits
