// Weak data of C is one with a library's, too, as are weak arrays and structures.
// flags: -O2
// flags: -O0 -fno-pic
// flags: -O2 -fPIC -mcmodel=large
// compilers: gcc clang-19
// shared: vague_c.1.c
#include <stdio.h>

__attribute__((weak)) int shared_level = 3;
__attribute__((weak)) char shared_text[64] = "same";
__attribute__((weak)) struct { int a, b; } shared_pair = {1, 2};
int *library_level(void);
char *library_text(void);
void library_set(int);

int main(void) {
    printf("%d %d\n", library_level() == &shared_level, library_text() == shared_text);
    library_set(9);
    printf("%d %s %d\n", shared_level, shared_text, shared_pair.b);
    shared_level = 4;
    printf("%d\n", *library_level());
}
