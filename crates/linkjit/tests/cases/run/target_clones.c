// Versions of a function for processors: indirect functions whose resolvers use the compiler's own library.
// flags: -O2 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fno-pic
// compilers: gcc
#include <stdio.h>

__attribute__((target_clones("avx2", "sse4.2", "default"))) int sum(const int *numbers, int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += numbers[i] * i;
    return total;
}
int main(void) {
    int numbers[100];
    for (int i = 0; i < 100; i++) numbers[i] = i ^ 5;
    __builtin_cpu_init();
    printf("%d %d\n", sum(numbers, 100), __builtin_cpu_supports("sse2") != 0);
}
