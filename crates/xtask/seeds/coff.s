.globl main
main: call f
movq __imp_g(%rip),%rax
lea x(%rip),%rcx
ret
.weak w
.set w, f
.globl f
f: ret
.comm c, 8, 3
.section .data$d,"dw",largest,d
.globl d
d: .quad f
.rva f
.secrel32 f
.secidx f
.section .a,"dr",associative,d
.long 1
.section .pdata,"dr"
.rva f, f+1, u
.section .xdata,"dr"
u: .long 1
.section .text$i,"xr",discard,in
.globl in
in: ret
.section .rdata$o,"dr",one_only,o
.globl o
o: .long 1
.section .rdata$s,"dr",same_size,ss
.globl ss
ss: .long 1
.section .rdata$c,"dr",same_contents,sc
.globl sc
sc: .long 1
.section .CRT$XCU,"dr"
.quad f
.section .CRT$XIA,"dr"
.quad f
.section .tls$,"dw"
x: .long 1
.section .drectve,"yni"
.ascii " /include:f /alternatename:q=f /export:f,@3 /merge:.a=.rdata /defaultlib:x "
