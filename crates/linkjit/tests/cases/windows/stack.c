// compilers: msvc
// flags: -O0
// flags: -O2 -fstack-protector-all -mno-stack-arg-probe
// flags: -O2
// expect: sum 4950
// expect: jumped 3
#include "crt.h"
typedef double Jump[32] __attribute__((aligned(16)));
int _setjmp(void *) __attribute__((returns_twice));
void longjmp(void *, int) __attribute__((noreturn));
static Jump jump;
__attribute__((noinline)) int sum(int n) {
    volatile int big[20000];
    int total = 0;
    for (int i = 0; i < n; i++) big[i * 100] = i;
    for (int i = 0; i < n; i++) total += big[i * 100];
    return total;
}
__attribute__((noinline)) void deep(int n) { volatile char here[64]; here[0] = n; if (n == 0) longjmp(jump, 3); deep(n - 1); here[1] = n; }
int main(void) {
    printf("sum %d\n", sum(100));
    int result = _setjmp(jump);
    if (result == 0) deep(10);
    printf("jumped %d\n", result);
    return 0;
}
