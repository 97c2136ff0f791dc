// A program whose allocator has a header in front of all memory, over the next definitions, and ends at a foreign one.
// flags: -O1 -fno-builtin
// flags: -O2 -fno-builtin -fPIC
// flags: -O0 -fno-builtin -fno-pic -DBY_VERSION
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x5ca1ab1e0ddba11u
typedef struct {
    uint64_t magic, size;
} Header;

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static int live;

static void find_next(void) {
#ifdef BY_VERSION
    next_free = (void (*)(void *))dlvsym(RTLD_NEXT, "free", "GLIBC_2.2.5");
    next_malloc = (void *(*)(size_t))dlvsym(RTLD_NEXT, "malloc", "GLIBC_2.2.5");
#else
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
#endif
}

// Before the next ones are known.
static char early[1 << 16];
static size_t early_used;

static int is_early(void *memory) { return (char *)memory >= early && (char *)memory < early + sizeof early; }

void *malloc(size_t size) {
    static __thread int finding;
    if (!next_malloc && !finding) {
        finding = 1;
        find_next();
        finding = 0;
    }
    Header *header;
    if (!next_malloc) {
        header = (Header *)(early + early_used);
        early_used += (sizeof *header + size + 15) / 16 * 16;
    } else if (!(header = next_malloc(sizeof *header + size)))
        return NULL;
    header->magic = MAGIC ^ (uint64_t)header;
    header->size = size;
    __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    return header + 1;
}

static Header *header_of(void *memory) {
    Header *header = (Header *)memory - 1;
    if (header->magic != (MAGIC ^ (uint64_t)header)) {
        static const char message[] = "foreign memory\n";
        if (write(1, message, sizeof message - 1) < 0) abort();
        _exit(9);
    }
    return header;
}

void free(void *memory) {
    if (!memory) return;
    Header *header = header_of(memory);
    header->magic = 0;
    __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
    if (!is_early(header)) next_free(header);
}

void *calloc(size_t count, size_t size) {
    size_t all;
    if (__builtin_mul_overflow(count, size, &all)) return NULL;
    void *memory = malloc(all);
    return memory ? memset(memory, 0, all) : NULL;
}

void *realloc(void *memory, size_t size) {
    if (!memory) return malloc(size);
    size_t old = header_of(memory)->size;
    void *new = malloc(size);
    if (new) {
        memcpy(new, memory, old < size ? old : size);
        free(memory);
    }
    return new;
}

static void *use(void *argument) {
    char *text = NULL;
    for (int i = 0; i < 100; i++) {
        free(text);
        if (asprintf(&text, "%0*d", i * 100, i) < 0) abort();
    }
    free(text);
    return strdup(argument);
}

int main(void) {
    int before = live;
    char *text = strdup("text"), *line = NULL;
    size_t size = 0;
    printf("%s %d\n", text, live - before >= 1);
    free(text);
    FILE *file = fopen("/proc/self/status", "r");
    while (getline(&line, &size, file) > 0) continue;
    fclose(file);
    free(line);
    text = realpath(".", NULL);
    free(text);
    pthread_t thread;
    void *result;
    for (int i = 0; i < 10; i++) {
        pthread_create(&thread, NULL, use, "from a thread");
        pthread_join(thread, &result);
        free(result);
    }
    dlopen("/nowhere/nothing.so", RTLD_NOW);
    puts(dlerror() ? "error" : "none");
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY);
    puts(library ? "opened" : "missing");
    char *(*demangle)(const char *, char *, size_t *, int *) =
        (char *(*)(const char *, char *, size_t *, int *))dlsym(library, "__cxa_demangle");
    text = demangle("_ZNSt6vectorIiSaIiEE9push_backEOi", NULL, NULL, NULL);
    puts(text);
    free(text);
    void *(*own)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
    puts(own == malloc ? "own" : "other");
    return 0;
}
