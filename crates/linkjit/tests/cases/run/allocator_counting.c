// A program that counts what it and the libraries allocate, over the C library's own functions, without headers.
// flags: -O0 -fno-builtin
// flags: -O2 -fno-builtin -fPIC
// flags: -O3 -fno-builtin -fno-pic
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static int allocated, resized, freed;
void *malloc(size_t size) {
    allocated++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    allocated++;
    return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size) {
    resized++;
    return __libc_realloc(memory, size);
}
void free(void *memory) {
    freed++;
    __libc_free(memory);
}

static void show(const char *what) {
    char text[100];
    int length = snprintf(text, sizeof text, "%s: %d %d %d\n", what, allocated, resized, freed);
    fwrite(text, 1, length, stdout);
    allocated = resized = freed = 0;
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    show("begin");
    char *text = strdup("a string");
    show("strdup");
    free(text);
    show("free");
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("/proc/self/status", "r");
    show("fopen");
    if (getline(&line, &size, file) < 0) return 1;
    show("getline");
    fclose(file);
    show("fclose");
    line = realloc(line, 100000);
    show("realloc");
    free(line);
    text = realpath("/usr/../usr/.", NULL);
    show("realpath");
    free(text);
    // The C library's own functions give what this program's functions free and measure.
    void *memory = NULL;
    if (posix_memalign(&memory, 1024, 10)) return 1;
    memory = realloc(memory, 20);
    printf("%d\n", malloc_usable_size(memory) >= 20);
    free(memory);
    show("posix_memalign");
    memory = valloc(100);
    free(memory);
    free(NULL);
    show("valloc");
    FILE *stream = open_memstream(&text, &size);
    for (int i = 0; i < 2000; i++) fputs("some text ", stream);
    fclose(stream);
    free(text);
    show("open_memstream");
    for (int i = 0; i < 50; i++) {
        char name[20];
        sprintf(name, "V%d", i);
        setenv(name, "value", 1);
    }
    show("setenv");
    return 0;
}
