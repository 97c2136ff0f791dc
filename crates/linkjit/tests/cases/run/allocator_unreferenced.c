// The program itself allocates nothing: its functions serve the libraries all the same. Some are weak or aliases.
// flags: -O2 -fno-builtin
// flags: -O2 -fno-builtin -fPIC
#define _GNU_SOURCE
#include <pwd.h>
#include <stdio.h>
#include <string.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

int allocated, resized, freed;
void *malloc(size_t size) {
    allocated++;
    return __libc_malloc(size);
}
__attribute__((weak)) void *calloc(size_t count, size_t size) {
    allocated++;
    return __libc_calloc(count, size);
}
void *another_realloc(void *memory, size_t size) {
    resized++;
    return __libc_realloc(memory, size);
}
void *realloc(void *, size_t) __attribute__((alias("another_realloc")));
void free(void *memory) {
    freed++;
    __libc_free(memory);
}

int main(void) {
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int before = allocated + resized;
    FILE *file = fopen("/etc/passwd", "r");
    char line[100];
    if (!fgets(line, sizeof line, file)) return 1;
    printf("%d\n", allocated + resized - before);
    fclose(file);
    printf("%d\n", freed);
    struct passwd *user = getpwuid(0);
    printf("%s\n", user->pw_name);
    printf("%d\n", allocated + resized > before + 2);
    return 0;
}
