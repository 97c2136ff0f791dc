# A relaxed jump is a byte shorter than what it replaces: so is its reach. A relaxed call is not.
#! llvm gives up the last bytes before the edges
#! check {at 0x100000000} -abs outside=0x180001004 -check-name both
#! llvm gives up the last bytes before the edges
#! check {at 0x100000000} -abs outside=0x180001005 -check-name call
#! check {at 0x100000000} -abs outside=0x18000100c -check-name none
#! llvm gives up the last bytes before the edges
#! check {at 0x100000000} -abs outside=0x8000100c -check-name both

        .text
        .globl  main, call
main:   jmp     *outside@GOTPCREL(%rip)
        .size   main, .-main
call:   call    *outside@GOTPCREL(%rip)
        .size   call, .-call

# both: decode_operand(main, 0) = outside - next_pc(main)
# both: decode_operand(call, 0) = outside - next_pc(call)
# call: decode_operand(main, 3) = got_addr(got-jump-range.o, outside) - next_pc(main)
# call: decode_operand(call, 0) = outside - next_pc(call)
# none: decode_operand(main, 3) = got_addr(got-jump-range.o, outside) - next_pc(main)
# none: decode_operand(call, 3) = got_addr(got-jump-range.o, outside) - next_pc(call)
