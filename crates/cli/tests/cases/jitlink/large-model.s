# The large code model: 64-bit distances from the instruction pointer to the GOT, and from the GOT to everything.
#! llvm has no GOTPLT64, no PLTOFF64 and no GOT32
#! check {at 0x100000} -abs outside=0x1234567812345678

        .text
        .globl  main, base, entry, entryplt, local, stub, entry32, base32, got64pc
        .type   local,@function
main:   leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rax
        .size   main, .-main
base:   movabsq $_GLOBAL_OFFSET_TABLE_ - base, %rax
        .size   base, .-base
entry:  movabsq $outside@GOT, %rax
        .size   entry, .-entry
entryplt: movabsq $0, %rax
        .size   entryplt, .-entryplt
        .reloc  entryplt + 2, R_X86_64_GOTPLT64, outside
local:  movabsq $data@GOTOFF, %rax
        .size   local, .-local
stub:   movabsq $outside@PLTOFF, %rax
        .size   stub, .-stub
entry32: movl   $0, %eax
        .size   entry32, .-entry32
        .reloc  entry32 + 1, R_X86_64_GOT32, outside
        .data
        .globl  data, pc
data:   .quad   0
        .size   data, 8
pc:     .quad   0
        .size   pc, 8
        .reloc  pc, R_X86_64_GOTPCREL64, outside

# jitlink-check: decode_operand(main, 4) = _GLOBAL_OFFSET_TABLE_ - next_pc(main)
# jitlink-check: decode_operand(base, 1) = _GLOBAL_OFFSET_TABLE_ - base
# jitlink-check: decode_operand(entry, 1) = got_addr(large-model.o, outside) - _GLOBAL_OFFSET_TABLE_
# jitlink-check: decode_operand(entryplt, 1) = got_addr(large-model.o, outside) - _GLOBAL_OFFSET_TABLE_
# jitlink-check: decode_operand(entry32, 1) = got_addr(large-model.o, outside) - _GLOBAL_OFFSET_TABLE_
# jitlink-check: decode_operand(local, 1) = data - _GLOBAL_OFFSET_TABLE_
# jitlink-check: decode_operand(stub, 1) = stub_addr(large-model.o, outside) - _GLOBAL_OFFSET_TABLE_
# jitlink-check: *{8}pc = got_addr(large-model.o, outside) - pc
# jitlink-check: *{8}(got_addr(large-model.o, outside)) = outside
