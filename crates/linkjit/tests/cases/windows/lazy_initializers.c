// compilers: msvc
// flags: -O0
// flags: -O2 -ffunction-sections
// options:
// options: --lazy
// expect: global of C++
// expect: main 13
// expect: end of C++
// expect: destructor
// Nothing refers to the other objects: their initializers run all the same, as in a program that is linked as a whole.
#include "crt.h"
int count = 1;
int main(void) {
    printf("main %d\n", count);
    return 0;
}
