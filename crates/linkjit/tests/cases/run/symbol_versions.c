// References to a version of a library's function, and to its default one.
// flags: -O1 -fPIC -fno-builtin
#include <pthread.h>
#include <stdio.h>
#include <string.h>

__asm__(".symver old_memcpy, memcpy@GLIBC_2.2.5");
void *old_memcpy(void *, const void *, size_t);

int main(void) {
    char text[10];
    old_memcpy(text, "version", 8);
    puts(text);
    return old_memcpy == memcpy;
}
