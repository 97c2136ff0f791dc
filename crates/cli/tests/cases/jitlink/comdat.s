# Of COMDAT groups with one signature the first is linked; the others' definitions are references to it.
#! check {at 0x100000}

        .section .text.inline,"axG",@progbits,inline,comdat
        .weak   inline
inline: movl    $1, %eax
        .size   inline, .-inline
        .text
        .globl  main
main:   call    inline
        call    other
        .size   main, .-main

#--- second.s
        .section .text.inline,"axG",@progbits,inline,comdat
        .weak   inline
inline: movl    $2, %eax
        .size   inline, .-inline
        .text
        .globl  other
other:  call    inline
        .size   other, .-other

# jitlink-check: decode_operand(inline, 1) = 1
# jitlink-check: decode_operand(main, 0) = inline - next_pc(main)
# jitlink-check: decode_operand(other, 0) = inline - next_pc(other)
# jitlink-check: section_addr(comdat.o, .text.inline) = inline
