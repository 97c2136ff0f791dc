# A weak reference that nobody resolves is zero; a weak definition yields.
#! check {at 0x100000}

        .text
        .globl  main, load
        .weak   nobody, chosen
main:   call    chosen
        .size   main, .-main
load:   movq    nobody@GOTPCREL(%rip), %rax
        .size   load, .-load
        .section .text.chosen,"ax",@progbits
chosen: movl    $1, %eax
        .size   chosen, .-chosen
        .data
        .globl  null
null:   .quad   nobody
        .size   null, 8

#--- strong.s
        .text
        .globl  chosen
chosen: movl    $2, %eax
        .size   chosen, .-chosen

# jitlink-check: *{8}null = 0
# jitlink-check: decode_operand(chosen, 1) = 2
# jitlink-check: decode_operand(main, 0) = chosen - next_pc(main)
# jitlink-check: *{8}(got_addr(weak.o, nobody)) = 0
