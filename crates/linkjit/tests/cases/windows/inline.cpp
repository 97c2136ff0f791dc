// compilers: msvc clang-gnu mingw
// flags[msvc]: -O0
// flags[mingw]: -O0 -fno-threadsafe-statics -fno-exceptions -fno-rtti
// flags[clang-gnu]: -O1 -fno-threadsafe-statics -fno-exceptions -fno-rtti
// flags[mingw]: -O2 -fno-threadsafe-statics -fno-exceptions -fno-rtti
// flags[msvc]: -O2
// options:
// options: --lazy
// expect: f
// expect: count 1
// expect: f
// expect: count 2
// expect: sum 7 7
// expect: tables 3 12
// expect: one of each
#include "crt.h"
#include "inline.h"
const void *other(int);
int main() {
    printf("count %d\n", counted());
    printf("count %d\n", other_counted());
    printf("sum %d %d\n", sum<int>(3, 4), other_sum(3, 4));
    printf("tables %d %d\n", area(Shape()), other_area());
    for (int kind = 0; kind < 5; kind++)
        if (other(kind) != address(kind)) printf("another %d\n", kind);
    puts("one of each");
}
