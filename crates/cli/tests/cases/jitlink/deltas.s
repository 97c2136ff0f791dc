# Relative fields: S + A - P.
#! check {at 0x100000}
#! check {at 0xfff00ff4}

        .text
        .globl  main, load, store
main:   ret
        .size   main, 1
load:   movq    data+8(%rip), %rax
        .size   load, .-load
store:  movl    %eax, data-4(%rip)
        .size   store, .-store

        .data
        .globl  data, pc64, pc32, pc16, pc8, back
data:   .quad   0, 1
        .size   data, 16
pc64:   .quad   main - .
        .size   pc64, 8
pc32:   .long   main - . + 4
        .size   pc32, 4
        .section .other,"aw",@progbits
pc16:   .short  pc8 + 2 - .
        .size   pc16, 2
pc8:    .byte   back - .
        .size   pc8, 1
back:   .byte   pc8 - .
        .size   back, 1
        .reloc  pc16, R_X86_64_PC16, pc64
        .reloc  pc8, R_X86_64_PC8, back + 3
        .reloc  back, R_X86_64_PC8, pc8

# jitlink-check: decode_operand(load, 4) = data - next_pc(load) + 8
# jitlink-check: decode_operand(store, 3) = data - next_pc(store) - 4
# jitlink-check: *{4}load + 3 = (data - next_pc(load) + 8)[31:0]
# jitlink-check: *{8}pc64 = main - pc64
# jitlink-check: *{4}pc32 = (main - pc32 + 4)[31:0]
# jitlink-check: *{2}pc16 = (pc64 - pc16)[15:0]
# jitlink-check: *{1}pc8 = (back - pc8 + 3)[7:0]
# jitlink-check: *{1}back = (pc8 - back)[7:0]
