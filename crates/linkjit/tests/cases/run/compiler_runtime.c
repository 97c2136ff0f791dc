// Functions that compilers call for what the processor can't do: 128-bit division, quad precision, complex numbers.
// flags: -O2 -fPIC
// flags: -O0 -fno-pic
#include <complex.h>
#include <stdio.h>

int main(int argc, char **argv) {
    volatile unsigned __int128 dividend = ((unsigned __int128)argc << 100) + 12345;
    volatile unsigned long long divisor = 1000000007;
    unsigned __int128 quotient = dividend / divisor, rest = dividend % divisor;
    printf("%llx %llx %llx\n", (unsigned long long)(quotient >> 64), (unsigned long long)quotient,
           (unsigned long long)rest);
    volatile __float128 quad = argc;
    printf("%.5f\n", (double)(quad / 3 * 2));
    volatile double complex z = 1 + 2 * I, w = 3 - argc * I;
    double complex product = z * w / (1 + I);
    printf("%g %g\n", creal(product), cimag(product));
    volatile long double x = argc;
    printf("%.3Lf\n", x / 7);
    printf("%d %d\n", __builtin_popcountll(0xf0f0 + (unsigned long long)argc), __builtin_parity((unsigned)argc + 6));
    return argv[argc] != 0;
}
