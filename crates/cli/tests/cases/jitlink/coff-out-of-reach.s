# What is out of reach: calls go through stubs, variables are an error that says how far they are.
#! llvm has no stubs for COFF
#! check {at 0x100000} -abs far=0x7ff700000000 -abs near=0x7ffff000 coff-out-of-reach.o
#! error {at 0x100000} -abs far=0x7ff700000000 data.o => In graph data.o, section .text: relocation target 0x7ff700000000 (far) is out of range of PCRel32 fixup at address 0x
#! error {at 0x100000} -abs near=0x80110000 tail.o => out of range
#! check {at 0x100000} -abs far=0 -abs near=0 -check-name=near-check coff-out-of-reach.o

        .text
        .globl  main, call, jump, branch, to_near, entry
main:   retq
call:   callq   far
jump:   jmp     far
branch: jne     far
to_near:
        callq   near
        .data
        .globl  address
address:
        .quad   far
        .long   call@IMGREL

#--- data.s
        .text
        .globl  main, load
main:   retq
load:   movl    far(%rip), %eax

#--- tail.s
        .data
        .globl  main
main:   .long   near-.

# A stub jumps through a word of the graph's own.
# jitlink-check: decode_operand(call, 0) = stub_addr(coff-out-of-reach.o, far) - next_pc(call)
# jitlink-check: decode_operand(jump, 0) = stub_addr(coff-out-of-reach.o, far) - next_pc(jump)
# jitlink-check: decode_operand(branch, 0) = stub_addr(coff-out-of-reach.o, far) - next_pc(branch)
# jitlink-check: *{8}got_addr(coff-out-of-reach.o, far) = far
# jitlink-check: *{2}stub_addr(coff-out-of-reach.o, far) = 0x25ff
# jitlink-check: decode_operand(to_near, 0) = near - next_pc(to_near)
# jitlink-check: *{8}address = far
#
# near-check: decode_operand(call, 0) = far - next_pc(call)
# near-check: *{4}(address + 8) = call
