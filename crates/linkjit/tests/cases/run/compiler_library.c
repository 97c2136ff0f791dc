// What compilers link by themselves: functions of their own library, from 128-bit division to half precision.
// flags: -O2 -fPIC
// flags: -O0 -fno-pic
#include <complex.h>
#include <stdio.h>

volatile double base = 2.5;

int main(int argc, char **argv) {
    volatile unsigned __int128 dividend = ((unsigned __int128)argc << 90) + 7, divisor = 1000003;
    volatile __int128 negative = -(__int128)dividend;
    printf("%llu %llu\n", (unsigned long long)(dividend / divisor), (unsigned long long)(dividend % divisor));
    printf("%lld %lld\n", (long long)(negative / (__int128)divisor), (long long)(negative % (__int128)divisor));

    volatile float complex single = 1 + 2 * I;
    single = single * single / (single + 1);
    volatile double complex twice = 3 - I;
    twice = twice * twice / (twice + 2);
    volatile long double complex extended = 2 + I;
    extended = extended * extended / (extended + 3);
    printf("%g %g %g\n", creal(single), cimag(twice), (double)creall(extended));

    volatile __float128 quad = argc;
    quad = quad / 3 + 2 * quad;
    printf("%.4f %d %lld\n", (double)quad, (int)quad, (long long)(__int128)quad);
    volatile _Float16 half = 1.5f16;
    half = half * half;
    printf("%.3f %.3f %.3f\n", (double)half, (double)(float)(__int128)dividend, __builtin_powi(base, argc + 2));
    printf("%d %d\n", __builtin_popcountll(argc + 255ull), __builtin_cpu_supports("sse2") != 0);
    return argv[argc] != 0;
}
