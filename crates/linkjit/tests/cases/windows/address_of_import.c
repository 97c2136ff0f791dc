// compilers: msvc
// flags: -O0
// flags: -O2
// expect: one address
// expect: calls 5
// Code that was not told that a function is imported takes its address by a displacement, which does not reach.
#include "crt.h"
int abs(int);
int (*from_data)(int) = abs;
__attribute__((noinline)) int apply(int (*volatile function)(int), int argument) { return function(argument); }
int main(void) {
    int (*volatile from_code)(int) = abs;
    puts(from_code == from_data ? "one address" : "two addresses");
    printf("calls %d\n", apply(from_code, -5));
}
