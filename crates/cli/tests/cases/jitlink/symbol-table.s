# A table of symbols, written when the program runs, gives addresses in backtraces names.
#! run -write-symtab table.txt => 5
#! run -noexec -write-symtab table-2.txt {at 0x100000} => 0
#! error -write-symtab nowhere/table.txt => nowhere/table.txt
#! error -symbolicate-with nowhere.txt => 'nowhere.txt': No such file or directory

        .text
        .globl  main
        .type   main,@function
main:   movl    $5, %eax
        ret
        .size   main, .-main
