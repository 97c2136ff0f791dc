# Direct references to small numbers, which programs that are not position-independent reach: null, names for numbers, of
# this object and of another one.
# expect: 1000 2000 3000 7
    .globl main, own
    .set own, 0x2000
    .text
main:
    cmpl $99, %edi
    jne 1f
    callq 0
    jmp own
1:  subq $8, %rsp
    movl $own, %edx
    leaq other(%rip), %rcx
    movl $number, %r8d
    leaq format(%rip), %rdi
    leaq 0x1000, %rsi
    xorl %eax, %eax
    call printf@PLT
    xorl %eax, %eax
    addq $8, %rsp
    ret
    .section .rodata
format:
    .asciz "%lx %lx %lx %d\n"
    .section .note.GNU-stack,"",@progbits
