// compilers: msvc
// expect: 5 6
// expect: 7
// What Zig's objects bring: the directory of thread-local storage that a C runtime would, and its index.
#include "crt.h"
unsigned _tls_index;
__attribute__((section(".tls"))) char _tls_start = 0;
__attribute__((section(".tls$ZZZ"))) char _tls_end = 0;
struct { void *start, *end, *index, *callbacks; unsigned zeros, flags; } const _tls_used = {&_tls_start, &_tls_end, &_tls_index, 0, 0, 0};
__declspec(thread) int variable = 5;
static unsigned long thread(void *result) { *(int *)result = ++variable; return 0; }
int main(void) {
    int result;
    run_thread(thread, &result);
    printf("%d %d\n", variable, result);
    variable = 7;
    run_thread(thread, &result);
    printf("%d\n", variable);
    return 0;
}
