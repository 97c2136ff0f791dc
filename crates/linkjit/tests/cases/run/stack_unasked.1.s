.text
.globl nobody_calls
nobody_calls:
    ret
.section .note.GNU-stack, "x", @progbits
