// An allocator that hands out memory of thread-local variables.
// flags: -O1 -fno-builtin -fPIC
// flags: -O2 -fno-builtin -fno-pic
// flags: -O1 -fno-builtin -fPIC -ftls-model=global-dynamic
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread _Alignas(16) char memory[1 << 13];
static __thread size_t used;
static _Alignas(16) char shared[64 << 20];
static size_t shared_used;

static int is_mine(char *at) { return at >= memory && at < memory + sizeof memory; }
static int is_shared(char *at) { return at >= shared && at < shared + sizeof shared; }

void *malloc(size_t size) {
    size_t all = (size + 31) / 16 * 16;
    size_t *at;
    if (used + all <= sizeof memory && size < 500) {
        at = (size_t *)(memory + used);
        used += all;
    } else
        at = (size_t *)(shared + __atomic_fetch_add(&shared_used, all, __ATOMIC_RELAXED));
    at[1] = size;
    return at + 2;
}
void free(void *at) {
    if (at && !is_mine(at) && !is_shared(at)) __builtin_trap();
    // The last one of a thread is used again.
    if (at && is_mine(at) && (char *)at - memory + (((size_t *)at)[-1] + 31) / 16 * 16 - 16 == (long)used)
        used = (char *)at - 16 - memory;
}
void *calloc(size_t count, size_t size) { return memset(malloc(count * size), 0, count * size); }
void *realloc(void *at, size_t size) {
    if (!at) return malloc(size);
    void *new = malloc(size);
    size_t old = ((size_t *)at)[-1];
    memcpy(new, at, old < size ? old : size);
    free(at);
    return new;
}

static void *use(void *unused) {
    (void)unused;
    int mine = 0;
    for (int i = 0; i < 50; i++) {
        char *text = strdup("some text"), *other = NULL;
        mine += is_mine(text);
        if (asprintf(&other, "%*d", i * 20, i) < 0) abort();
        free(other);
        free(text);
    }
    printf("%d\n", mine);
    return NULL;
}

int main(void) {
    use(NULL);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, use, NULL);
        pthread_join(thread, NULL);
    }
    return 0;
}
