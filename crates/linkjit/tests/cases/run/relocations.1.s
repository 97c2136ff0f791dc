        .text
        .globl  answer
        .type   answer, @function
answer: movl    $42, %eax
        ret
        .data
        .balign 8
        .globl  value
        .type   value, @object
        .size   value, 24
value:  .quad   0x1234, 0, 0
        .globl  absolute, absolute16, absolute8
        .set    absolute, 0x87654321
        .set    absolute16, 0x4321
        .set    absolute8, 0x21
        .section .note.GNU-stack, "", @progbits
