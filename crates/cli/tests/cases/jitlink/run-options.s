# What is linked lazily, from whole archives, from files, or found where the system's libraries are.
#! archive libtwo.a two.s registers.s
#! run run-options.o libtwo.a => 4
#! llvm runs no initializers without the ORC runtime
#! run -all_load run-options.o libtwo.a => 5
#! llvm needs the ORC runtime for that
#! run -lazy run-options.o libtwo.a => 4
#! llvm searches for shared libraries only
#! run run-options.o libtwo.a -search-sys-lib -lpthread => 4
#! alone it knows no file as its runtime but its own
#! run -all_load -orc-runtime libtwo.a run-options.o libtwo.a => 5
#! error run-options.o libtwo.a -orc-runtime nowhere.a => 'nowhere.a': No such file or directory
#! run run-options.o libtwo.a -speculate=simple => 4
#! prints => Warning: -speculate ignored as there are no -lazy inputs
#! error run-options.o libtwo.a -lpthread => could not find library for -lpthread
#! error -debugger-support run-options.o libtwo.a => linkjit does not support -debugger-support yet

        .text
        .globl  main, count
        .type   main,@function
main:   pushq   %rax
        call    two@PLT
        addl    count(%rip), %eax
        popq    %rcx
        ret
        .size   main, .-main

        .data
count:  .long   2

#--- two.s
        .text
        .globl  two
        .type   two,@function
two:    movl    $2, %eax
        ret
        .size   two, .-two

#--- registers.s
        .text
        .type   more,@function
more:   movq    count@GOTPCREL(%rip), %rax
        incl    (%rax)
        ret
        .size   more, .-more
        .section .init_array,"aw"
        .quad   more
