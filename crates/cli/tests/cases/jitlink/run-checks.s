# Rules are evaluated, and reports made, before the program runs, as well.
#! archive libtwo.a two.s
#! run -check {here} run-checks.o libtwo.a -alias also=two -abs number=5 => 7
#! run -check {here} -check-name false run-checks.o libtwo.a -alias also=two -abs number=5 => 1
#! run -check {here} -check-name none run-checks.o libtwo.a -alias also=two -abs number=5 => 1
#! run -show-addrs -show-entry-es -show-init-es -show-linked-files -show-graphs=. run-checks.o libtwo.a -alias also=two -abs number=5 => 7
#! prints => Linking run-checks.o
#! prints => Linking libtwo.a[0](two.o)
#! prints =>     "main": <not resolved>  [Callable] Never-Searched (Materializer 0x
#! prints =>     "number": <not resolved>  [Data] Never-Searched (Materializer 0x
#! prints =>     "also": <not resolved>  [Data] Never-Searched (Materializer 0x
#! prints => Link graph "run-checks.o" post-fixup:
#! prints => (block + 0x00000000): size: 0x00000015, linkage: strong, scope: default, live  -   main
#! prints =>   Section ".data": target addr = 0x
#! prints =>   "two" target addr = 0x
#! prints =>   "number" target addr = 0x0000000000000005, zero-fill: 0 bytes

        .text
        .globl  main, place
        .type   main,@function
main:   pushq   %rax
place:  call    two@PLT
        .size   place, .-place
        addl    value(%rip), %eax
        popq    %rcx
        ret
        leaq    also(%rip), %rax
        .size   main, .-main

        .data
        .globl  value
value:  .long   5
        .long   0
        .quad   main

#--- two.s
        .text
        .globl  two
        .type   two,@function
two:    movl    $2, %eax
        ret
        .size   two, .-two

# jitlink-check: decode_operand(two, 1) = 2
# jitlink-check: *{8}(value + 8) = main
# jitlink-check: section_addr(libtwo.a[0](two.o), .text) = two
# jitlink-check: *{4}value = number
# jitlink-check: decode_operand(place, 0) = two - next_pc(place)
# false: *{4}value = number + 1
