# What is said about rules that do not hold, or are none.
#! check -no-process-syms
#! check -no-process-syms -check-name dollar
#! error -no-process-syms -check-name false => Expression '*{8}data = 8' is false: 0x7 != 0x8
#! error -no-process-syms -check-name false => Some checks in
#! error -no-process-syms -check-name nobody => has no line that begins with '# nobody:'
#! error -no-process-syms -check-name unknown => column 5: no known address for symbol 'unheard_of'
#! error -no-process-syms -check-name file => file "other.o" not recognized; the linked files are rules.o
#! error -no-process-syms -check-name entry => no GOT entry for "data" registered for file "rules.o"
#! error -no-process-syms -bogus => Unknown command line argument '-bogus'
#! error -no-process-syms nofile.o => 'nofile.o': No such file or directory
#! error -no-process-syms -check nofile => 'nofile': No such file or directory
#! error -no-process-syms -slab-address 0x1000 => -slab-address requires -slab-allocate and -noexec

        .text
        .globl  main
main:   ret
        .size   main, 1
        .data
        .globl  data, a$b
data:   .quad   7
        .size   data, 8
a$b:    .quad   9
        .size   a$b, 8

# jitlink-check: *{8}data = 7
# dollar: *{8}a$b \
# dollar:   = 9
# false: *{8}data = 7
# false: *{8}data = 8
# unknown: 1 = unheard_of
# file: section_addr(other.o, .data) = 0
# entry: got_addr(rules.o, data) = 0
