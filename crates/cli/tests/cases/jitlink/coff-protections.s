# Sections of one name may be protected in different ways: each is where its kind is.
#! llvm wants one protection for a name
#! check {at 0x100000} coff-protections.o
#! llvm keeps sections as they are
#! check {at 0x100000} -check-name=asked-check -entry asks asks.o

        .text
        .globl  main
main:   retq
        .section mixed,"dr"
        .globl  constant
constant:
        .quad   1
        .section mixed,"dw",discard,variable
        .globl  variable
variable:
        .quad   2
        .section mixed,"xr",discard,code
        .globl  code
code:   movl    $3, %eax
        retq
        .data
        .globl  distances
distances:
        .quad   constant, variable, code

# Reading comes first, a page later writing, a page later code.
# jitlink-check: constant = 0x100000
# jitlink-check: (variable >> 12) = 0x101
# jitlink-check: (code >> 12) = 0x102
# jitlink-check: *{8}constant = 1
# jitlink-check: *{8}variable = 2
# jitlink-check: decode_operand(code, 1) = 3
# jitlink-check: *{8}(distances + 16) = code

# `/merge` makes sections parts of others, `/section` says what the program may do with them, whatever objects say.
#--- asks.s
        .section .drectve,"yn"
        .ascii  " /merge:.lonely=.company /merge:.company=.data /section:.data2,RW /section:.fixed,R /section:.code,ER"
        .text
        .globl  asks
asks:   retq
        .section .lonely,"dr"
        .globl  lonely
lonely: .quad   1
        .section .company,"dr"
        .globl  company
company:
        .quad   1
        .section .data2,"dr"
        .globl  data2
data2:  .quad   1
        .section .fixed,"dw"
        .globl  fixed
fixed:  .quad   1
        .section .code,"dr"
        .globl  code2
code2:  retq
        .data
        .globl  writable
writable:
        .quad   1

# asked-check: (fixed >> 12) = 0x100
# asked-check: (writable >> 12) = 0x101
# asked-check: (lonely >> 12) = 0x101
# asked-check: (company >> 12) = 0x101
# asked-check: (data2 >> 12) = 0x101
# asked-check: (code2 >> 12) = 0x102
# asked-check: (asks >> 12) = 0x102
