# Calls and jumps: to what the graph defines without detour, to what is outside through a stub. Other branches go only where
# they reach.
#! check {at 0x10000000} -abs outside=0x10000010 -abs near=0x10000020
#! check {at 0x10000000} -abs outside=0x18001004 -abs near=0x10000020
#! check {at 0x10000000} -abs outside=0x123456789000 -abs near=0x100ffffc
#! check {at 0x10000000} -abs outside=0x123456789000 -abs near=0x100ffffc -sectcreate blob,aarch64-branches.o@begin=0
#! error {at 0x10000000} -abs outside=0x10000010 -abs near=0x10200000 => is out of range of CondBranch19PCRel fixup
#! error {at 0x10000000} -abs outside=0x10000010 -abs near=0x10000022 => is not aligned as the instruction requires

        .text
        .globl  main, jump, local, condition, zero, callee
        .type   main,@function
main:   bl      outside
        .size   main, .-main
jump:   b       outside
        .size   jump, .-jump
local:  bl      callee
        .size   local, .-local
condition: b.ne near
        .size   condition, .-condition
zero:   cbz     x0, near
        .size   zero, .-zero
        .section .text.callee,"ax",@progbits
callee: ret
        .size   callee, 4

# jitlink-check: decode_operand(main, 0)[25:0] = (stub_addr(aarch64-branches.o, outside) - main)[27:2]
# jitlink-check: decode_operand(jump, 0)[25:0] = (stub_addr(aarch64-branches.o, outside) - jump)[27:2]
# jitlink-check: decode_operand(local, 0)[25:0] = (callee - local)[27:2]
# jitlink-check: decode_operand(condition, 1)[18:0] = (near - condition)[20:2]
# jitlink-check: decode_operand(zero, 1)[18:0] = (near - zero)[20:2]
# jitlink-check: *{8}(got_addr(aarch64-branches.o, outside)) = outside
# The stub is `adrp x16, entry; ldr x16, [x16, :lo12:entry]; br x16`.
# jitlink-check: *{4}(stub_addr(aarch64-branches.o, outside) + 8) = 0xd61f0200
# jitlink-check: (*{4}(stub_addr(aarch64-branches.o, outside) + 4))[21:10] = \
# jitlink-check:   (got_addr(aarch64-branches.o, outside))[11:3]
