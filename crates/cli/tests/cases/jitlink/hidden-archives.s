# What hidden archives define only their own JITDylib sees.
#! archive libone.a one.s unused.s
#! archive liball.a unused.s
#! run hidden-archives.o -L. -hidden-lone => 1
#! run hidden-archives.o -load_hidden libone.a => 1
#! run hidden-archives.o -jd other -load_hidden libone.a -jd main -lother -alias found=other:one -alias one=found => 1
#! error hidden-archives.o -jd other -L. -hidden-lone -jd main -lother => Symbols not found: [ one ]
#! check hidden-archives.o -load_hidden libone.a -check-name own
#! error hidden-archives.o -jd other -load_hidden libone.a -jd main -lother => Symbols not found: [ one ]
#! error hidden-archives.o -load_hidden liball.a -all_load -abs one=5 -abs unused=5 => duplicate definition of symbol 'unused'
#! error hidden-archives.o -load_hidden libnone.a => 'libnone.a': No such file or directory

        .text
        .globl  main
        .type   main,@function
main:   jmp     one@PLT
        .size   main, .-main

#--- one.s
        .text
        .globl  one
        .type   one,@function
one:    movl    $1, %eax
        ret
        .size   one, .-one

#--- unused.s
        .data
        .globl  unused
unused: .quad   missing

# own: section_addr(libone.a[0](one.o), .text) = one
