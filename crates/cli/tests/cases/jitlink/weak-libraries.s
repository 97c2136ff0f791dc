# What libraries that are linked weakly define is null, whatever it is in the process.
#! library libwhatever.so puts.s
#! llvm has weak libraries of Mach-O and TextAPI only
#! check {at 0x100000} -weak_library libwhatever.so
#! llvm
#! check {at 0x100000} -L. -weak-lwhatever
#! llvm
#! run -weak_library libwhatever.so => 0
#! llvm
#! run -L. -weak-l whatever => 0
#! run => 1
#! error weak-libraries.o -weak_library weak-libraries.o => Cannot get interface for weak-libraries.o
#! error -weak_library libnone.so => 'libnone.so': No such file or directory
#! error -L. -weak-lnone => While linking main, could not find library for -lnone

        .text
        .globl  main
        .type   main,@function
main:   xorl    %eax, %eax
        cmpq    $0, puts@GOTPCREL(%rip)
        setne   %al
        ret
        .size   main, .-main

#--- puts.s
        .text
        .globl  puts
        .type   puts,@function
puts:   ret
        .size   puts, .-puts

# jitlink-check: *{8}(got_addr(weak-libraries.o, puts)) = 0
