# Graphs have entries of their own for one target.
#! check {at 0x100000} -abs outside=0x1234567812345678

        .text
        .globl  main
main:   call    outside
        .size   main, .-main
        .globl  next
next:   call    other
        .size   next, .-next

#--- second.s
        .text
        .globl  other
other:  call    outside
        .size   other, .-other

# jitlink-check: decode_operand(main, 0) = stub_addr(graphs-apart.o, outside) - next_pc(main)
# jitlink-check: decode_operand(other, 0) = stub_addr(second.o, outside) - next_pc(other)
# jitlink-check: *{8}(got_addr(second.o, outside)) = outside
# jitlink-check: decode_operand(next, 0) = other - next_pc(next)
