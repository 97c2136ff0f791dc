# -sectcreate: a read-only section from a file, and symbols into it.
#! check {at 0x100000} -sectcreate blob,sections-from-files.o@begin=0,later=4
#! error {at 0x100000} -sectcreate blob,sections-from-files.o@begin=0,later=0x100000 => lies beyond the end
#! check {at 0x100000} -check-name=comma-check -show-addrs -sectcreate blob,of,sections-from-files.o@begin=0,later=4
#! prints => Section "blob,of": target addr = 
#! error {at 0x100000} -sectcreate blob => In -sectcreate=blob,
#! error {at 0x100000} -sectcreate blob,sections-from-files.o@begin => is not a valid integer

        .text
        .globl  main
main:   leaq    begin(%rip), %rax
        .size   main, .-main
        .data
        .globl  pointer
pointer: .quad  later
        .size   pointer, 8

# jitlink-check: *{4}begin = 0x464c457f
# jitlink-check: decode_operand(main, 4) = begin - next_pc(main)
# jitlink-check: *{8}pointer = begin + 4
# jitlink-check: section_addr(orc_sectcreate_blob, blob) = begin

# Only the last comma is in front of the file.
# comma-check: *{4}begin = 0x464c457f
