# What offsets from the GOT are relative to has a name for rules, also where there is no GOT.
#! check {at 0x100000} got-base.o
#! llvm has it at 0, out of reach
#! check -check-name run-check got-base.o
#! check {at 0x100000} -check-name with-got with-got.o -entry other
#! error {at 0x100000} -check-name not-named -entry other nobody.o => _GLOBAL_OFFSET_TABLE_
#! check {at 0x100000} -show-graphs=.* got-base.o
#! prints => kind = Delta32, target = _GLOBAL_OFFSET_TABLE_
#! prints => kind = Delta64, target = _GLOBAL_OFFSET_TABLE_

        .text
        .globl  main, base, f
        .type   main,@function
main:   leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rbx
        xorl    %eax, %eax
        retq
        .size   main, .-main
base:   movabsq $_GLOBAL_OFFSET_TABLE_-base, %rax
        retq
        .size   base, .-base
f:      movabsq $data@GOTOFF, %rax
        retq
        .size   f, .-f
        .data
        .globl  pointer, data
pointer:
        .quad   _GLOBAL_OFFSET_TABLE_
data:   .quad   0
        .section .note.GNU-stack,"",@progbits

#--- with-got.s
        .text
        .globl  other
other:  leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rbx
        movq    entry@GOTPCREL(%rip), %rax
        retq
        .size   other, .-other
        .data
        .globl  entry
entry:  .quad   0

#--- nobody.s
        .text
        .globl  other
other:  retq

# jitlink-check: decode_operand(main, 4) = _GLOBAL_OFFSET_TABLE_ - next_pc(main)
# jitlink-check: decode_operand(base, 1) = _GLOBAL_OFFSET_TABLE_ - base
# jitlink-check: decode_operand(f, 1) = data - _GLOBAL_OFFSET_TABLE_
# jitlink-check: *{8}pointer = _GLOBAL_OFFSET_TABLE_
# run-check: *{8}pointer = _GLOBAL_OFFSET_TABLE_
# with-got: decode_operand(other, 4) = _GLOBAL_OFFSET_TABLE_ - next_pc(other)
# with-got: got_addr(with-got.o, entry) = _GLOBAL_OFFSET_TABLE_
# not-named: _GLOBAL_OFFSET_TABLE_ = 0
