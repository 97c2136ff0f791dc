# An indirect function's name stands for its stub, for calls and for its address alike.
#! llvm has no indirect functions
#! check {at 0x100000}

        .text
        .globl  main, chosen
        .type   chosen,@gnu_indirect_function
main:   call    chosen
        .size   main, .-main
chosen: leaq    main(%rip), %rax
        ret
        .size   chosen, .-chosen
        .data
        .globl  pointer
pointer: .quad  chosen
        .size   pointer, 8

# jitlink-check: *{8}pointer = decode_operand(main, 0) + next_pc(main)
# jitlink-check: *{2}(*{8}pointer) = 0x25ff
