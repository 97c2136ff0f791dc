// Deep recursion, a large frame and a large alloca: stack probes and the guard page work as usual.
// flags: -O1 -fno-optimize-sibling-calls -fPIC -fstack-protector-all
// flags: -O0 -fstack-clash-protection
#include <alloca.h>
#include <stdio.h>
#include <string.h>

static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
static int large(int n) {
    volatile char frame[1 << 20];
    frame[n] = (char)n;
    char *more = alloca(1 << 18);
    memset(more, 1, 1 << 18);
    return frame[n] + more[n];
}
int main(void) { printf("%d %d\n", depth(20000), large(5)); }
