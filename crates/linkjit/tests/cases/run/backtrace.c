// backtrace() walks through linked frames, also of signal handlers.
// flags: -O1 -fPIC -fno-optimize-sibling-calls
// flags: -O0 -g
// flags: -O1 -fno-pic -fno-optimize-sibling-calls
// flags: -O1 -fPIC -fno-optimize-sibling-calls -ffunction-sections
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>

static void *frames[200];
static int inner, outer;
__attribute__((noinline)) static int depth(void) { return backtrace(frames, 200); }
__attribute__((noinline)) static int recurse(int n) { return n == 0 ? depth() : recurse(n - 1) + 0 * n; }
static void handler(int signal) { inner = backtrace(frames, 200) + 0 * signal; }
int callback(int (*function)(int), int n);

int main(void) {
    int base = depth();
    printf("%d\n", recurse(10) - base);
    printf("%d\n", callback(recurse, 20) - base);
    signal(SIGUSR1, handler);
    outer = depth();
    raise(SIGUSR1);
    printf("%d\n", inner > outer);
}
