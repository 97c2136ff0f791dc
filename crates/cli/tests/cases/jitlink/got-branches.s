# Branches through the GOT that may be relaxed (psABI, "Optimize GOTPCRELX Relocations"): a call keeps its length with a
# prefix, a jump with a nop after it. What is not in reach keeps its entry.
#! llvm writes the address where the distance belongs if the address is below 4 GiB
#! check {at 0x100000} -abs outside=0x200000 -check-name near
#! llvm writes the address where the distance belongs if the address is below 4 GiB
#! check {at 0x200000000} -abs outside=0x10 -check-name far
#! llvm does not relax branches to addresses above 4 GiB
#! check {at 0x100000000} -abs outside=0x140000000 -check-name near
#! check {at 0x100000000} -abs outside=0x1234567812345678 -check-name far

        .text
        .globl  main, jump
main:   call    *outside@GOTPCREL(%rip)
        .size   main, .-main
jump:   jmp     *outside@GOTPCREL(%rip)
        .size   jump, .-jump

# near: *{2}main = 0xe867
# near: decode_operand(main, 0) = outside - next_pc(main)
# near: *{1}jump = 0xe9
# near: decode_operand(jump, 0) = outside - next_pc(jump)
# near: *{1}(jump + 5) = 0x90
# near: *{8}(got_addr(got-branches.o, outside)) = outside

# far: decode_operand(main, 3) = got_addr(got-branches.o, outside) - next_pc(main)
# far: decode_operand(jump, 3) = got_addr(got-branches.o, outside) - next_pc(jump)
# far: *{8}(got_addr(got-branches.o, outside)) = outside
