# A branch goes directly where its displacement of 32 bits reaches, to the very edge. `main` is a page behind the
# slab's start, and 5 bytes long.
#! llvm gives up the last bytes before the edges
#! check {at 0x100000000} -abs outside=0x180001004 -check-name direct
#! check {at 0x100000000} -abs outside=0x180001005 -check-name stub
#! check {at 0x100000000} -abs outside=0x80001005 -check-name direct
#! llvm bypasses the stub for what is out of reach
#! check {at 0x100000000} -abs outside=0x80001004 -check-name stub

        .text
        .globl  main
main:   call    outside@PLT
        .size   main, .-main

# direct: decode_operand(main, 0) = outside - next_pc(main)
# stub: decode_operand(main, 0) = stub_addr(branch-range.o, outside) - next_pc(main)
