// compilers: msvc
// expect: alternate 1
// expect: real 2
// expect: included
// expect: weak 0
#include "crt.h"
#pragma comment(linker, "/alternatename:missing=fallback")
#pragma comment(linker, "/alternatename:present=fallback")
#pragma comment(linker, "/include:force_me")
int missing(void);
int present(void);
int fallback(void) { return 1; }
__attribute__((weak)) int nobody(void);
int included;
int main(void) {
    printf("alternate %d\n", missing());
    printf("real %d\n", present());
    puts(included ? "included" : "not included");
    printf("weak %d\n", nobody ? 1 : 0);
    return 0;
}
