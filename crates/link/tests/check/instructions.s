# Branches.
call .+5
jmp .+2
jmp .+100000
je .+2
jne .+100000
jg .+2
jrcxz .+2
loop .+2
call *%rax
call *8(%rip)
jmp *-8(%rip)
jmp *0x1000(,%rax,8)
ret $8
# Loads and stores.
movq 0x1234(%rip), %rax
movl -4(%rip), %ecx
movb 0x10(%rip), %dl
movq %rax, 0x1234(%rip)
movl %ecx, 8(%rbx,%rcx,4)
movq 0x12345678, %rbx
movq %fs:0, %rax
movl 8(%eax), %ecx
movl -8(%eax,%ebx,2), %ecx
movzbl 5(%rip), %eax
movslq 5(%rip), %rax
movsbq 5(%rdi), %rax
leaq 0x1234(%rip), %rdi
leaq -16(%rbp,%rcx,8), %rdi
leal 7(%rip), %edi
# Immediates.
movabsq $0x123456789abcdef0, %rax
movabsq $-1, %rax
movq $-5, %rax
movl $0xffffffff, %eax
movw $0x8000, %ax
movb $0xff, %al
movb $0xff, %r9b
movabsq 0x123456789abcdef0, %rax
movabsq %rax, 0x123456789abcdef0
movq $7, 8(%rip)
movl $-7, 8(%rip)
movb $7, (%rax)
pushq $5
pushq $0x12345
pushq 8(%rip)
pushq %rbx
popq 8(%rip)
# Arithmetic: register, memory and immediate, every direction.
addq %rbx, %rax
addq 8(%rip), %rax
addq %rax, 8(%rip)
addq $5, %rbx
addq $0x1234, %rbx
addq $0x1234, %rax
addl $0x1234, %eax
addl $0x80000000, %ebx
addw $0x1234, %ax
addb $-1, %al
addb $-1, %bl
addq $5, 8(%rip)
addl $0x12345, 8(%rip)
orq 8(%rip), %r10
andq $-16, %rsp
subq $0x100, %rsp
xorl 8(%rip), %eax
adcq 8(%rip), %rax
sbbq $3, %rcx
cmpq 8(%rip), %rax
cmpq %rax, 8(%rip)
cmpq $5, %rbx
cmpl $0x12345, %eax
cmpb $0xff, %bl
cmpl $5, 8(%rip)
testq %rax, 8(%rip)
testl $5, %ebx
testl $5, %eax
testb $0x80, 8(%rip)
incq 8(%rip)
decl 8(%rip)
negq 8(%rip)
notq 8(%rip)
imulq 8(%rip), %rax
imulq $5, 8(%rip), %rax
imulq $0x12345, %rbx, %rax
mulq 8(%rip)
divl 8(%rip)
shlq $3, %rax
shlq $3, 8(%rip)
sarl $0x9f, %ebx
shrq %rax
shrq 8(%rip)
shlq %cl, 8(%rip)
rolw $4, %ax
shldq $4, %rbx, %rax
shldq $4, %rbx, 8(%rip)
shrdq %cl, %rbx, 8(%rip)
btq $5, %rax
btq $5, 8(%rip)
btsq $5, %rax
btsl $5, 8(%rip)
cmoveq 8(%rip), %rax
cmovaw 8(%rip), %ax
setne 8(%rip)
setg %al
bswapq %rax
popcntq 8(%rip), %rax
xchgq %rax, 8(%rip)
xaddq %rax, 8(%rip)
cmpxchgq %rax, 8(%rip)
nopw 8(%rax,%rax)
nopl 0x200(%rax,%rax)
prefetcht0 8(%rip)
inb $5, %al
outb %al, $5
int $0x80
enter $16, $1
# SSE and AVX.
movss 8(%rip), %xmm0
movss %xmm0, 8(%rip)
movsd 8(%rip), %xmm1
movaps 8(%rip), %xmm0
movups %xmm0, 8(%rip)
movdqa 8(%rip), %xmm0
movd 8(%rip), %xmm0
movq 8(%rip), %xmm0
movlps 8(%rip), %xmm0
movhps 8(%rip), %xmm0
addss 8(%rip), %xmm0
mulsd 8(%rip), %xmm0
andps 8(%rip), %xmm0
pxor 8(%rip), %xmm0
paddd 8(%rip), %xmm0
ucomisd 8(%rip), %xmm0
cvtss2sd 8(%rip), %xmm0
cvttsd2si 8(%rip), %rax
cvtsi2sdq 8(%rip), %xmm0
sqrtsd 8(%rip), %xmm0
pshufd $0x1b, 8(%rip), %xmm0
shufps $0xff, 8(%rip), %xmm0
cmpltps 8(%rip), %xmm0
roundsd $9, 8(%rip), %xmm0
pinsrw $3, 8(%rip), %xmm0
pextrw $3, %xmm0, %eax
pslld $4, %xmm0
vmovaps 8(%rip), %ymm0
vaddps 8(%rip), %ymm1, %ymm0
vmovss 8(%rip), %xmm0
vsqrtsd 8(%rip), %xmm1, %xmm0
vpshufd $0x1b, 8(%rip), %xmm0
vpermilps $5, 8(%rip), %ymm0
vinsertf128 $1, 8(%rip), %ymm1, %ymm0
vfmadd231ps 8(%rip), %ymm1, %ymm0
vcvtsi2sdq 8(%rip), %xmm1, %xmm0
andnq 8(%rip), %rbx, %rax
rorxq $5, 8(%rip), %rax
shlxq %rcx, 8(%rip), %rax
bextrq %rcx, 8(%rip), %rax
adcxq 8(%rip), %rax
movbeq 8(%rip), %rax
crc32q 8(%rip), %rax
# Masks, of results and of stores; what is gathered or scattered clears its own.
vpaddd %zmm1, %zmm2, %zmm3 {%k1}
vpaddd %zmm1, %zmm2, %zmm3 {%k1} {z}
vpaddd 64(%rip), %zmm2, %zmm3 {%k1}
vmovdqu32 64(%rip), %zmm3 {%k1}
vmovdqu32 64(%rip), %zmm3 {%k1} {z}
vmovdqu32 %zmm3, 64(%rip) {%k1}
vpblendmd %zmm1, %zmm2, %zmm3 {%k1}
vpcmpeqd 64(%rip), %zmm2, %k2 {%k1}
vpshufd $27, 64(%rip), %zmm3 {%k1}
vfmadd213ps 64(%rip), %zmm2, %zmm3 {%k1}
vpaddd 4(%rip){1to16}, %zmm2, %zmm3
vaddps {ru-sae}, %zmm1, %zmm2, %zmm3
vaddps {rz-sae}, %zmm1, %zmm2, %zmm3 {%k1}
vpgatherdd 8(%rax,%zmm1,4), %zmm2 {%k1}
vpscatterdd %zmm2, 8(%rax,%zmm1,4) {%k1}
vpgatherdd %ymm3, 8(%rax,%ymm1,4), %ymm2
# Strings.
movsb
movsq
rep movsq
lodsl
stosw
rep stosb
scasb
cmpsl
insb
maskmovdqu %xmm1, %xmm2
outsl
# The stack of the x87, and registers that the opcode implies.
fadd %st(1), %st
fadd %st, %st(1)
faddp %st, %st(1)
fxch %st(2)
fld %st(1)
fucomip %st(1), %st
fcmovb %st(1), %st
faddl 8(%rip)
fldt 8(%rip)
fnstsw %ax
fnstsw 8(%rip)
xchgq %rbx, %rax
xlatb
pushq %fs
popq %gs
# One register as result and argument.
xorl %eax, %eax
subq %rax, %rax
pxor %xmm1, %xmm1
vpxor %xmm1, %xmm1, %xmm1
cmpxchgl %ecx, %edx
larl 8(%rip), %eax
# Sizes of frames are numbers.
ret $-8
lretq $-8
enter $-16, $1
# An address of 32 bits, relative.
movl 8(%eip), %eax
# A second set of registers.
addq 8(%rip), %r16
movq %r17, 8(%rip)
movq 8(%r31,%r30,2), %r29
imulq 8(%rip), %r16
movq $5, 8(%r16)
