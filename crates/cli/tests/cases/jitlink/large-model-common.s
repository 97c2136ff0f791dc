# Those relocations of the large code model that are everywhere.
#! check {at 0x100000} -abs outside=0x1234567812345678
#! check {at 0x123456780000} -abs outside=0

        .text
        .globl  main, base, entry, local
main:   leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rax
        .size   main, .-main
base:   movabsq $_GLOBAL_OFFSET_TABLE_ - base, %rax
        .size   base, .-base
entry:  movabsq $outside@GOT, %rax
        .size   entry, .-entry
local:  movabsq $data@GOTOFF, %rax
        .size   local, .-local
        .data
        .globl  data
data:   .quad   0
        .size   data, 8

# jitlink-check: decode_operand(main, 4) = _GLOBAL_OFFSET_TABLE_ - next_pc(main)
# jitlink-check: decode_operand(base, 1) = _GLOBAL_OFFSET_TABLE_ - base
# jitlink-check: decode_operand(entry, 1) = got_addr(large-model-common.o, outside) - _GLOBAL_OFFSET_TABLE_
# jitlink-check: decode_operand(local, 1) = data - _GLOBAL_OFFSET_TABLE_
# jitlink-check: *{8}(got_addr(large-model-common.o, outside)) = outside
