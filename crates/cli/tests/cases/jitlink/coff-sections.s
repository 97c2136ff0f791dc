# What follows a `$` in the name of a section orders it among those that are one in the image: whatever their order in the
# file, tables have their ends around them. Offsets in sections are those in the whole.
#! llvm takes them for sections of their own, in the order of the file
#! check {at 0x100000}

        .text
        .globl  main
main:   retq

        .section .text$b,"xr"
        .globl  second
second: retq
        .section .text$a,"xr"
        .globl  first
first:  retq

        .section table$z,"dw"
        .globl  table_end
table_end:
        .quad   0
        .section table$m,"dw"
        .quad   first
        .section table$a,"dw"
        .globl  table_start
table_start:
        .quad   0
        .section table$m,"dw"
        .quad   second

        .section .rdata$a,"dr"
        .globl  offsets
offsets:
        .secrel32 table_start
        .secrel32 table_end
        .secrel32 table_end+4
        .secidx table_start
        .secidx table_end
        .quad   table_start

# jitlink-check: second - first = 1
# jitlink-check: table_end - table_start = 24
# jitlink-check: *{8}(table_start + 8) = first
# jitlink-check: *{8}(table_start + 16) = second
# jitlink-check: *{4}offsets = 0
# jitlink-check: *{4}(offsets + 4) = 24
# jitlink-check: *{4}(offsets + 8) = 28
# jitlink-check: *{2}(offsets + 12) = *{2}(offsets + 14)
