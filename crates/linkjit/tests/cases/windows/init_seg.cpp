// compilers: msvc
// flags: -O0
// flags: -O2
// flags: -O2 -ffunction-sections
// expect: compiler of 1
// expect: lib of 2
// expect: user of 0
// expect: user of 3
// expect: main
// expect: table of 4: 2 entries
// expect: table 1
// expect: table 2
// expect: ~user of 3
// expect: ~lib of 2
// expect: ~compiler of 1
#include "crt.h"
#include "init_seg.h"
// Nobody refers to the other objects' variables: the initializers that go with them are linked all the same.
Say user("user of 0", false);
int run_table();
int main() {
    puts("main");
    return run_table();
}
