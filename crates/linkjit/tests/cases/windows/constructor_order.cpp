// compilers: clang-gnu mingw
// flags: -std=c++17 -O0 -fno-exceptions -fno-threadsafe-statics
// flags: -std=c++17 -O2 -fno-exceptions -fno-threadsafe-statics
// options:
// options: --lazy
// expect: first of the last
// expect: second of the last
// expect: start
// expect: push
// expect: main 6 5
// Constructors of MinGW's objects: those of the last object are called first, in the order of the source, and an inline
// variable is initialized before what comes after it.
#include "crt.h"
#include "constructor_order.h"
struct Push { Push() { puts("push"); counter += 5; } } push;
int start() { puts("start"); return 1; }
int other();
int main() {
    printf("main %d %d\n", counter, other());
    return 0;
}
