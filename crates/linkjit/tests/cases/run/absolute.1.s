    .globl other, number
    .set other, 0x3000
    .set number, 7
    .section .note.GNU-stack,"",@progbits
