# With -phony-externals what nobody defines is zero.
#! check {at 0x1000} -phony-externals -no-process-syms
#! error {at 0x1000} -no-process-syms => Symbols not found: [ a_missing, b_missing ]
#! check {at 0x1000} -no-process-syms -abs a_missing=0 -abs b_missing=0

        .text
        .globl  main
main:   call    b_missing
        .size   main, .-main
        .data
        .globl  pointer
pointer: .quad  a_missing + 5
        .size   pointer, 8

# jitlink-check: *{8}pointer = 5
# jitlink-check: *{8}(got_addr(phony-externals.o, b_missing)) = 0
