// Large sections of the medium and large code models: zeros beyond 2 GiB, common ones, data, constants, pointers in them.
// flags: -O2 -mcmodel=medium -fPIE
// flags: -O0 -mcmodel=medium -fno-pic
// flags: -O1 -mcmodel=large -fno-pic
// flags: -O2 -mcmodel=medium -fcommon -fPIC
// flags: -O2 -mcmodel=large -fPIC
// expect: 11 5 3 8 15 4 42 0
#include <stdio.h>

char huge[3000ul << 20];
static char own[300ul << 20];
char data[70000] = {1, 2, 3};
const char constants[70000] = {9, 8};
char *in_huge = huge + (2900ul << 20);
int small = 4;

int get(unsigned long);
static int answer(void) { return 42; }
int (*functions[20000])(void) = {answer, [19999] = answer};
volatile unsigned long last = 19999;

int main(void) {
    huge[2900ul << 20] = 11;
    own[277ul << 20] = 5;
    printf("%d %d %d %d %d %d %d %d\n", *in_huge, own[277ul << 20], data[2], constants[1], get(2900ul << 20), small,
           functions[last](), huge[1]);
    return 0;
}
