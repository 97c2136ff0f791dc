# A weak definition yields to that of a member of an archive, which another name has brought in.
#! archive libmember.a member.s
#! llvm takes that for a duplicate
#! check {at 0x100000} weak-replaced.o libmember.a

        .text
        .globl  main, call
        .weak   chosen
main:   call    wanted
call:   call    chosen
        .size   main, .-main
        .section .text.chosen,"ax",@progbits
chosen: movl    $1, %eax
        .size   chosen, .-chosen

#--- member.s
        .text
        .globl  wanted, chosen
wanted: ret
chosen: movl    $2, %eax

# jitlink-check: decode_operand(chosen, 1) = 2
# jitlink-check: decode_operand(call, 0) = chosen - next_pc(call)
