# Copies of one variable whose COMDAT sections are selected in different ways: the order of the objects is no matter.
#! llvm takes the first
#! check coff-comdat-selections.o small-any.o large-largest.o
#! check coff-comdat-selections.o large-largest.o small-any.o
#! check large-any.o coff-comdat-selections.o small-largest.o
#! llvm takes the first
#! check small-largest.o large-any.o coff-comdat-selections.o
#! llvm takes the first
#! check small-largest.o large-largest.o coff-comdat-selections.o
#! check coff-comdat-selections.o large-largest.o small-largest.o small-any.o
#! llvm takes the first
#! run coff-comdat-selections.o small-any.o large-largest.o => 2
#! run large-largest.o small-any.o coff-comdat-selections.o => 2
#! archive any.a small-any.s
#! archive largest.a large-largest.s
#! check coff-comdat-selections.o any.a large-largest.o
#! llvm takes the first
#! check -entry begin coff-comdat-selections.o small-any.o wants-member.o largest.a
#! check coff-comdat-selections.o large-any.o large-same-size.o
#! llvm takes the first
#! check coff-comdat-selections.o constant-any.o constant-same-size.o
#! llvm takes the first
#! error coff-comdat-selections.o small-any.o large-same-size.o => differs in size
#! llvm takes the first
#! error coff-comdat-selections.o large-same-size.o small-any.o => differs in size
#! check coff-comdat-selections.o large-same-size.o large-any.o
#! llvm takes the first
#! error coff-comdat-selections.o large-largest.o large-same-size.o => differs in COMDAT selection
#! llvm takes the first
#! error coff-comdat-selections.o large-same-size.o large-largest.o => differs in COMDAT selection

        .text
        .globl  main
main:   movl    x(%rip), %eax
        retq

#--- small-any.s
        .section .data$x,"dw",discard,x
        .globl  x
x:      .long   1

#--- large-any.s
        .section .data$x,"dw",discard,x
        .globl  x
x:      .long   2, 2

#--- small-largest.s
        .section .data$x,"dw",largest,x
        .globl  x
x:      .long   1

#--- large-largest.s
        .section .data$x,"dw",largest,x
        .globl  x
x:      .long   2, 2
        .data
        .globl  wanted
wanted: .long   0

#--- large-same-size.s
        .section .data$x,"dw",same_size,x
        .globl  x
x:      .long   2, 2

#--- constant-any.s
        .section .rdata$x,"dr",discard,x
        .globl  x
x:      .long   1

#--- constant-same-size.s
        .section .rdata$x,"dr",same_size,x
        .globl  x
x:      .long   2, 2

#--- wants-member.s
        .text
        .globl  begin
begin:  movl    wanted(%rip), %eax
        jmp     main

# jitlink-check: *{4}x = 2
