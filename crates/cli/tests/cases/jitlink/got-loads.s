# Loads through the GOT that may be relaxed (psABI, "Optimize GOTPCRELX Relocations"), and those that may not.
#! check {at 0x100000} -abs outside=0x200000 -check-name near
#! check {at 0x100000000} -abs outside=0x10 -check-name far
#! check {at 0x100000000} -abs outside=0x1234567812345678 -check-name far

        .text
        .globl  main, low, push, plain, here
main:   movq    outside@GOTPCREL(%rip), %r9
        .size   main, .-main
low:    movl    outside@GOTPCREL(%rip), %ecx
        .size   low, .-low
plain:  leaq    outside@GOTPCREL(%rip), %rax
        .size   plain, .-plain
push:   pushq   outside@GOTPCREL(%rip)
        .size   push, .-push
here:   movq    main@GOTPCREL(%rip), %rax
        .size   here, .-here

# mov becomes lea.
# near: *{2}main = 0x8d4c
# near: decode_operand(main, 4) = outside - next_pc(main)
# near: *{1}low = 0x8d
# near: decode_operand(low, 4) = outside - next_pc(low)
# near: decode_operand(here, 4) = main - next_pc(here)
# near: *{2}here = 0x8d48

# far: *{2}main = 0x8b4c
# far: decode_operand(main, 4) = got_addr(got-loads.o, outside) - next_pc(main)
# far: *{1}low = 0x8b
# far: decode_operand(low, 4) = got_addr(got-loads.o, outside) - next_pc(low)
# far: *{8}(got_addr(got-loads.o, outside)) = outside
# far: *{8}(got_addr(got-loads.o, main)) = main
# far: *{2}here = 0x8d48
# far: decode_operand(here, 4) = main - next_pc(here)

# Other instructions keep their entry in any case.
# near: decode_operand(plain, 4) = got_addr(got-loads.o, outside) - next_pc(plain)
# near: decode_operand(push, 3) = got_addr(got-loads.o, outside) - next_pc(push)
# far: decode_operand(plain, 4) = got_addr(got-loads.o, outside) - next_pc(plain)
# far: decode_operand(push, 3) = got_addr(got-loads.o, outside) - next_pc(push)
# near: *{8}(got_addr(got-loads.o, outside)) = outside
