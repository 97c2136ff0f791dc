# Absolute symbols: external ones are for all objects, others for their own.
#! llvm takes them for local
#! check {at 0x100000} coff-absolute.o
#! llvm takes them for local
#! check {at 0x100000} -check-name=other-check -entry other coff-absolute.o other.o
#! error {at 0x100000} -entry other coff-absolute.o private.o => Symbols not found: [ private ]
#! llvm takes them for local
#! check {at 0x100000} coff-absolute.o same.o
#! error {at 0x100000} coff-absolute.o differs.o => duplicate definition of symbol 'shared'
#! error {at 0x100000} -abs shared=5 coff-absolute.o => duplicate definition of symbol 'shared'

        .text
        .globl  main, shared
main:   movl    $shared, %eax
        movl    $private, %eax
        .set    shared, 0x1234
        .set    private, 0x77
        .data
        .globl  values
values: .quad   shared
        .quad   private
        .quad   private+1
        .long   shared

#--- other.s
        .text
        .globl  other
other:  retq
        .data
        .globl  of_other
of_other:
        .quad   shared

#--- private.s
        .data
        .globl  other
other:  .quad   private

#--- same.s
        .globl  shared
        .set    shared, 0x1234

#--- differs.s
        .globl  shared
        .set    shared, 0x1235

# jitlink-check: *{8}values = 0x1234
# jitlink-check: *{8}(values + 8) = 0x77
# jitlink-check: *{8}(values + 16) = 0x78
# jitlink-check: *{4}(values + 24) = 0x1234
# jitlink-check: decode_operand(main, 1) = 0x1234
# other-check: *{8}of_other = 0x1234
