.globl f
.type f,@function
f: call g@PLT
movq v@GOTPCREL(%rip),%rax
lea x(%rip),%rcx
jmp *t(%rip)
leaq l@TLSGD(%rip),%rdi
movq l@GOTTPOFF(%rip),%rax
leaq l@TLSDESC(%rip),%rax
call *l@TLSCALL(%rax)
mov %fs:l@TPOFF,%eax
ret
.type i,@gnu_indirect_function
.globl i
i: lea f(%rip),%rax
ret
call i
.section .init,"ax"
nop
.section .fini_array.3,"aw"
.quad f
.section .ctors.5,"aw"
.quad f
.section .a,"aG",@progbits,sig,comdat
.weak s
s: .quad f
.section .b,"ao",@progbits,.a
.quad .a
.data
x: .quad f-., __start_list, __stop_list
.long f-x
.byte f-x
t: .quad f
.symver f,f@@V1
.comm c,8,16
.section list,"aw"
.quad f
.section .tdata,"awT"
l: .long 1
.section .tbss,"awT",@nobits
.zero 8
.text
.globl main
main: .cfi_startproc
call f
.cfi_endproc
v: ret
