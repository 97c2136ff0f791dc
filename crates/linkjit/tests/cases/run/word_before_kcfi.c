// Checks of the kernel's kind: the hash of its type lies before each function, behind bytes that may be patched.
// compilers: clang-19
// flags: -O2 -fsanitize=kcfi
// flags: -O2 -fsanitize=kcfi -fpatchable-function-entry=16,11
// flags: -O1 -fsanitize=kcfi -ffunction-sections -fno-pic
#include <stdio.h>

static int first(int x) {
    return x + 1;
}

int (*volatile pointer)(int) = first;

int main(void) {
    printf("%d\n", pointer(1));
    return 0;
}
