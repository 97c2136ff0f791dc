// An object may define the names that linkers do: then it is the object's that counts.
// flags: -O2
// flags: -O0 -fno-pic
// expect: 7 8 9 3
#include <stdio.h>

int end = 7;
int edata(void) { return 8; }
extern char etext[];
char etext[] = {9};
__attribute__((weak)) extern int __executable_stop;
extern void *__init_array_start[] __attribute__((weak)), *__init_array_end[] __attribute__((weak));

static volatile int order;
__attribute__((constructor(200))) static void second(void) { order = order * 2 + 1; }
__attribute__((constructor(101))) static void first(void) { order = 1; }

int main(void) {
    // In the order of their priorities, side by side.
    void **from = __init_array_start;
    while (from < __init_array_end && *from != (void *)first) from++;
    printf("%d %d %d %d\n", end, edata(), etext[0], from[1] == (void *)second && &__executable_stop == 0 ? order : 0);
    return 0;
}
