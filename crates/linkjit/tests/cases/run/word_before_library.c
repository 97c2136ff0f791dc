// What lies before a variable of a library that was moved to the program can be read, however large the variable is.
// shared: word_before_library.1.c
// flags: -O0 -fno-pic
// flags: -O2 -fno-pic
#include <stdio.h>

extern char large[1 << 17], small[8];
char *address_of_large(void);

static volatile char sink;

int main(void) {
    for (int distance = 1; distance <= 16; distance++) {
        sink = ((volatile char *)large)[-distance];
        sink = ((volatile char *)small)[-distance];
    }
    large[5] = 6;
    printf("%s %d %d\n", small, address_of_large() == large, address_of_large()[5]);
    return 0;
}
