// compilers: msvc clang-gnu mingw
// flags: -O0
// flags: -O2
// expect: 1 constants variables 0
// What lies before the first function and the first objects of each protection can be read, as in any program.
#include "crt.h"

int function(void) {
    return 1;
}

const char constants[16] = "constants";
char variables[16] = "variables";
char zeros[1 << 20];

static volatile char sink;

static void read_before(const void *object) {
    for (int distance = 1; distance <= 16; distance++) {
        sink = ((const volatile char *)object)[-distance];
    }
}

int main(void) {
    const void *const objects[] = {(const void *)function, constants, variables, zeros, (const void *)read_before};
    for (int at = 0; at < 5; at++) {
        read_before(objects[at]);
    }
    printf("%d %s %s %d\n", function(), constants, variables, zeros[99]);
    return 0;
}
