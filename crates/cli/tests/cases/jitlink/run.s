# Programs are run like any other.
#! run => 42
#! run -slab-allocate 64Kb => 42
#! run run.o number.o -args a b c => 42
#! run -entry seven => 7
#! run -entry=overridden => 9
#! run number.o -jd other run.o -l main => 42
#! run -entry= run.o number.o -args --help => 42
#! error -check nofile => nofile

        .text
        .globl  main, seven, overridden
        .type   main,@function
main:   call    *number@GOTPCREL(%rip)
        ret
        .size   main, .-main
seven:  movl    $7, %eax
        ret
        .size   seven, .-seven
overridden:
        pushq   %rbx
        movl    $9, %edi
        call    llvm_jitlink_setTestResultOverride@PLT
        popq    %rbx
        ret
        .size   overridden, .-overridden

#--- number.s
        .text
        .globl  number
        .type   number,@function
number: movl    $42, %eax
        ret
        .size   number, .-number
