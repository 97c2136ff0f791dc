# COMDAT sections of COFF: which of several is kept, and what is linked to that.
#! llvm gives up at sections that belong to others
#! check {at 0x100000} coff-comdat.o same.o
#! error coff-comdat.o another-size.o => differs in size
#! error coff-comdat.o other-content.o => differs in content
#! error coff-comdat.o second.o => duplicate definition of symbol 'no_duplicates'
#! error coff-comdat.o newest.o => newest
#! error coff-comdat.o strong.o => duplicate definition
#! error {at 0x100000} -entry any any.o strong-any.o => In strong-any.o, duplicate definition of symbol 'any'

        .text
        .globl  main
main:   callq   any
        callq   same_size
        callq   exact_match
        callq   largest
        callq   no_duplicates
        retq
        .section .text,"xr",discard,any
        .globl  any
any:    movl    $1, %eax
        .section .text,"xr",same_size,same_size
        .globl  same_size
same_size:
        movl    $1, %eax
        .section .text,"xr",same_contents,exact_match
        .globl  exact_match
exact_match:
        movl    $1, %eax
        .section .text,"xr",largest,largest
        .globl  largest
largest:
        movl    $1, %eax
        .section .text,"xr",one_only,no_duplicates
        .globl  no_duplicates
no_duplicates:
        movl    $1, %eax
        .section .rdata,"dr",associative,largest
        .globl  of_first
of_first:
        .quad   1
        .data
        .globl  largests
largests:
        .quad   largest

#--- same.s
        .section .text,"xr",discard,any
        .globl  any
any:    movl    $2, %eax
        retq
        .section .text,"xr",same_size,same_size
        .globl  same_size
same_size:
        movl    $2, %eax
        .section .text,"xr",same_contents,exact_match
        .globl  exact_match
exact_match:
        movl    $1, %eax
        .section .text,"xr",largest,largest
        .globl  largest
largest:
        movl    $2, %eax
        retq
        .section .rdata,"dr",associative,largest
        .globl  of_second
of_second:
        .quad   2

#--- another-size.s
        .section .text,"xr",same_size,same_size
        .globl  same_size
same_size:
        retq

#--- other-content.s
        .section .text,"xr",same_contents,exact_match
        .globl  exact_match
exact_match:
        movl    $2, %eax

#--- second.s
        .section .text,"xr",one_only,no_duplicates
        .globl  no_duplicates
no_duplicates:
        movl    $1, %eax

#--- newest.s
        .section .text,"xr",newest,stamped
        .globl  stamped
stamped:
        retq

#--- strong.s
        .text
        .globl  no_duplicates
no_duplicates:
        retq

#--- any.s
        .section .text,"xr",discard,any
        .globl  any
any:    retq

#--- strong-any.s
        .text
        .globl  any
any:    retq

# jitlink-check: decode_operand(any, 1) = 1
# jitlink-check: decode_operand(same_size, 1) = 1
# jitlink-check: decode_operand(exact_match, 1) = 1
# jitlink-check: decode_operand(largest, 1) = 2
# jitlink-check: *{8}largests = largest
# jitlink-check: *{8}of_second = 2
