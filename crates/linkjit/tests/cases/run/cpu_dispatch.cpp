// Versions of a function for processors, and what the compilers' library says about this one.
// flags: -O2 -fPIC
// flags: -O0 -fno-pic
// expect: 1
// expect: 1 1
#include <cstdio>

__attribute__((constructor(101))) static void early() {
    __builtin_cpu_init();
    std::printf("%d\n", __builtin_cpu_supports("sse2") != 0);
}

__attribute__((target("default"))) int pick() { return 1; }
__attribute__((target("avx2"))) int pick() { return 2; }
__attribute__((target("sse4.2"))) int pick() { return 3; }

int (*table)() = pick;

int main() { std::printf("%d %d\n", pick() > 0, table() == pick()); }
