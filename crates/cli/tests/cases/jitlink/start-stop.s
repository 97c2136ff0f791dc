# __start_ and __stop_ are the boundaries of a section whose name is a C identifier.
#! check {at 0x100000} start-stop.o
#! error {at 0x100000} -check-name absent absent.o -entry absent => Symbols not found: [ __start_nowhere ]

        .text
        .globl  main
main:   leaq    __start_numbers(%rip), %rax
        .size   main, .-main
        .section numbers,"aw",@progbits
        .globl  first
first:  .quad   1, 2, 3
        .size   first, 24
        .data
        .globl  end
end:    .quad   __stop_numbers
        .size   end, 8

#--- absent.s
        .data
        .globl  absent
absent: .quad   __start_nowhere

# jitlink-check: decode_operand(main, 4) = first - next_pc(main)
# jitlink-check: __start_numbers = first
# jitlink-check: *{8}end = first + 24
# jitlink-check: __stop_numbers = first + 24
