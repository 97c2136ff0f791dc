# Thread-local variables, in every model. A graph's storage is a module of its own (the first is 1), and lies below the
# thread pointer as that of a loaded program does: 0x18 bytes, aligned to 16, so that it begins at -0x20.
#! llvm has no thread-local storage without its runtime
#! check {at 0x100000}

        .text
        .globl  main, ld, ie, iesub, le, le64, desc, dtpoff, dtpoff64
main:   .byte   0x66
        leaq    second@TLSGD(%rip), %rdi
        .size   main, .-main
ld:     leaq    second@TLSLD(%rip), %rdi
        .size   ld, .-ld
dtpoff: leaq    second@DTPOFF(%rax), %rcx
        .size   dtpoff, .-dtpoff
dtpoff64: movabsq $second@DTPOFF, %rcx
        .size   dtpoff64, .-dtpoff64
ie:     movq    second@GOTTPOFF(%rip), %rax
        .size   ie, .-ie
le:     leaq    second@TPOFF(%rax), %rcx
        .size   le, .-le
le64:   movabsq $second@TPOFF, %rcx
        .size   le64, .-le64
desc:   leaq    second@TLSDESC(%rip), %rax
        call    *second@TLSCALL(%rax)
        .size   desc, .-desc

        .section .tdata,"awT",@progbits
        .p2align 4
        .globl  first, second
first:  .quad   0x1111
        .size   first, 8
second: .quad   0x2222
        .size   second, 8
        .section .tbss,"awT",@nobits
        .globl  third
third:  .zero   8
        .size   third, 8

# The initial image is where rules look for the variables.
# jitlink-check: *{8}second = 0x2222
# jitlink-check: second = first + 8
# General dynamic: module and offset, side by side.
# jitlink-check: *{8}(decode_operand(main, 4) + next_pc(main)) = 1
# jitlink-check: *{8}(decode_operand(main, 4) + next_pc(main) + 8) = 8
# Local dynamic: module and zero.
# jitlink-check: *{8}(decode_operand(ld, 4) + next_pc(ld)) = 1
# jitlink-check: *{8}(decode_operand(ld, 4) + next_pc(ld) + 8) = 0
# jitlink-check: decode_operand(dtpoff, 4) = 8
# jitlink-check: decode_operand(dtpoff64, 1) = 8
# Initial exec: the offset from the thread pointer, in the GOT.
# jitlink-check: decode_operand(ie, 4) = got_addr(thread-local.o, second) - next_pc(ie)
# jitlink-check: *{8}(got_addr(thread-local.o, second)) = 0 - 0x18
# Local exec: in the code.
# jitlink-check: decode_operand(le, 4) = 0 - 0x18
# jitlink-check: decode_operand(le64, 1) = 0 - 0x18
# A descriptor's second word is what its resolver takes: the offset.
# jitlink-check: *{8}(decode_operand(desc, 4) + next_pc(desc) + 8) = 0 - 0x18
