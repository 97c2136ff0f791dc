# int on_stack(int number): writes `lea 7(%rdi), %eax; ret` to the stack and calls it.
.text
.globl on_stack
.type on_stack, @function
on_stack:
    sub $24, %rsp
    movl $0xc307478d, (%rsp)
    mov %rsp, %rax
    call *%rax
    add $24, %rsp
    ret
.section .note.GNU-stack, "x", @progbits
