# Branches: to what the graph defines without detour, to what is outside directly if it is in reach, else through a stub.
#! check {at 0x100000} -abs outside=0x200000 -check-name direct
#! check {at 0x100000000} -abs outside=0x10 -check-name stub
#! check {at 0x100000000} -abs outside=0x200000000 -check-name stub

        .text
        .globl  main, jump, plain, local, conditional
        .type   main,@function
main:   call    outside@PLT
        .size   main, .-main
jump:   jmp     outside
        .size   jump, .-jump
plain:  .byte   0xe8, 0, 0, 0, 0
        .size   plain, .-plain
        .reloc  plain + 1, R_X86_64_PLT32, local - 4
conditional: jne outside
        .size   conditional, .-conditional
        .section .text.local,"ax",@progbits
local:  ret
        .size   local, 1

# direct: decode_operand(main, 0) = outside - next_pc(main)
# direct: decode_operand(jump, 0) = outside - next_pc(jump)
# direct: decode_operand(conditional, 0) = outside - next_pc(conditional)
# direct: decode_operand(plain, 0) = local - next_pc(plain)

# stub: decode_operand(main, 0) = stub_addr(branches.o, outside) - next_pc(main)
# stub: decode_operand(jump, 0) = stub_addr(branches.o, outside) - next_pc(jump)
# stub: decode_operand(conditional, 0) = stub_addr(branches.o, outside) - next_pc(conditional)
# stub: decode_operand(plain, 0) = local - next_pc(plain)
# The stub is `jmp *entry(%rip)`.
# stub: *{2}(stub_addr(branches.o, outside)) = 0x25ff
# stub: (*{4}(stub_addr(branches.o, outside) + 2)) = \
# stub:   (got_addr(branches.o, outside) - (stub_addr(branches.o, outside) + 6))[31:0]
# stub: *{8}(got_addr(branches.o, outside)) = outside
# stub: section_addr(branches.o, $__STUBS) = stub_addr(branches.o, outside)
# stub: section_addr(branches.o, $__GOT) = got_addr(branches.o, outside)
