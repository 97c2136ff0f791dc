// Stacks in pieces: each function that needs more calls the compilers' library.
// flags: -O0 -fsplit-stack -fPIC
// flags: -O2 -fsplit-stack -fno-pic
// expect: 100000
#include <stdio.h>

static int depth(int rest) {
    volatile char frame[4000];
    frame[0] = 0;
    return rest == 0 ? 0 : 1 + depth(rest - 1) + frame[0];
}

int main(void) {
    printf("%d\n", depth(100000));
    return 0;
}
