# A relaxed load reaches as far as its displacement, to the very edge. `main` is at the slab's start (behind the GOT),
# and 7 bytes long.
#! llvm gives up the last bytes before the edges
#! check {at 0x100000000} -abs outside=0x180001006 -check-name near
#! check {at 0x100000000} -abs outside=0x180001007 -check-name far
#! check {at 0x100000000} -abs outside=0x80001007 -check-name near
#! llvm relaxes what is out of reach
#! check {at 0x100000000} -abs outside=0x80001006 -check-name far

        .text
        .globl  main
main:   movq    outside@GOTPCREL(%rip), %rax
        .size   main, .-main

# near: *{2}main = 0x8d48
# near: decode_operand(main, 4) = outside - next_pc(main)
# far: *{2}main = 0x8b48
# far: decode_operand(main, 4) = got_addr(got-load-range.o, outside) - next_pc(main)
# near: main = 0x100001000
# far: main = 0x100001000
