#include <stddef.h>
void *pool_take(size_t);
void pool_give(void *);
size_t pool_size(void *);
static int live;
int count_of_live(void) { return live; }
void *malloc(size_t size) {
    live++;
    return pool_take(size);
}
void free(void *memory) {
    if (memory) live--;
    pool_give(memory);
}
void *calloc(size_t count, size_t size) {
    live++;
    char *memory = pool_take(count * size);
    for (size_t i = 0; i < count * size; i++) ((volatile char *)memory)[i] = 0;
    return memory;
}
void *realloc(void *memory, size_t size) {
    char *new = malloc(size);
    if (!memory) return new;
    size_t old = pool_size(memory);
    for (size_t i = 0; i < size && i < old; i++) new[i] = ((volatile char *)memory)[i];
    free(memory);
    return new;
}
