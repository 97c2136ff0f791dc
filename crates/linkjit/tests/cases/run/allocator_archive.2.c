#include <stddef.h>
static _Alignas(16) char pool[8 << 20];
static size_t used;
void *pool_take(size_t size) {
    size_t *memory = (size_t *)(pool + used);
    used += (size + 31) / 16 * 16;
    if (used > sizeof pool) __builtin_trap();
    memory[1] = size;
    return memory + 2;
}
size_t pool_size(void *memory) { return ((size_t *)memory)[-1]; }
void pool_give(void *memory) {
    if (memory && ((char *)memory < pool || (char *)memory >= pool + sizeof pool)) __builtin_trap();
}
