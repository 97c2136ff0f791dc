// What lies before the first function and the first objects of each protection can be read, as in any program.
// flags: -O0
// flags: -O2 -fno-pic
// flags: -O2 -fPIC
// flags: -O2 -DALIGNMENT=4096
// flags: -O2 -DALIGNMENT=65536
#include <stdio.h>

#ifndef ALIGNMENT
#define ALIGNMENT 1
#endif
#define ALIGNED __attribute__((aligned(ALIGNMENT)))

ALIGNED int function(void) {
    return 1;
}

ALIGNED const char constants[16] = "constants";
ALIGNED char variables[16] = "variables";
ALIGNED char zeros[1 << 20];

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
