# JITDylibs: what is not in the link order is not found, what is defined twice in two is no conflict.
#! check {at 0x100000} dylibs.o -lother -jd other other.o -check-name linked
#! error {at 0x100000} dylibs.o -jd other other.o => Symbols not found: [ there ]
#! check {at 0x100000} dylibs.o -abs there=0x1234 -jd other other.o -check-name absolute
#! check {at 0x100000} dylibs.o -alias there=other:renamed -jd other other.o -alias renamed=there -check-name linked
#! check {at 0x100000} -jd other -abs there=010 dylibs.o -check-name elsewhere
#! error {at 0x100000} -entry nothing -jd other -abs there=010 dylibs.o => Symbols not found: [ nothing ]
#! error {at 0x100000} dylibs.o -alias there=other:renamed -jd other other.o -alias renamed=gone => Symbols not found: [ gone ]
#! check {at 0x100000} dylibs.o -alias there=other:again -jd other other.o -jd main -alias other:again=there -check-name linked
#! error {at 0x100000} dylibs.o -alias there=gone:there => no dylib named gone
#! error {at 0x100000} dylibs.o -abs there=0 -preload ./gone.so => gone.so
#! alone llvm-jitlink takes memory until there is none
#! error {at 0x100000} dylibs.o -alias there=there => alias
#! error {at 0x100000} dylibs.o other.o other.o => In other.o, duplicate definition of symbol 'there'
#! error {at 0x100000} dylibs.o -abs there=1 -entry nothing => llvm-jitlink error: Symbols not found: [ nothing ]

        .text
        .globl  main
main:   movq    there@GOTPCREL(%rip), %rax
        .size   main, .-main

#--- other.s
        .data
        .globl  there
there:  .quad   7
        .size   there, 8

# linked: *{8}(got_addr(dylibs.o, there)) = section_addr(other.o, .data)
# elsewhere: *{8}(got_addr(dylibs.o, there)) = 8
# absolute: *{8}(got_addr(dylibs.o, there)) = 0x1234
