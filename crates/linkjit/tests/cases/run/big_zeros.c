// Zeros that take more than half of what displacements of 32 bits reach, in one variable and in two objects together.
// flags: -O0 -fPIE
// flags: -O2 -fPIC
// flags: -O1 -fno-pic
// flags[gcc]: -O2 -fcommon -fPIE
// expect: 3 0 7 12 0
#include <stdio.h>

#define MIB (1ul << 20)

static char own[500 * MIB];
char first[600 * MIB];
extern char second[700 * MIB];
char *in_second = second + 699 * MIB;
volatile unsigned long at = 499 * MIB;

int sum(void);

int main(void) {
    own[at] = 3;
    first[5] = 5;
    second[699 * MIB] = 7;
    fprintf(stdout, "%d %d %d %d %d\n", own[at], own[0], *in_second, sum(), second[700 * MIB - 1]);
    return 0;
}
