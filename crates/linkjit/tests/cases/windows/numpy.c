// compilers: msvc
// wheel: numpy==1.26.4 numpy/core/lib/npymath.lib
// wheel: numpy==1.26.4 numpy/random/lib/npyrandom.lib
// expect: log2 3.000
// expect: logaddexp 1.693
// expect: half 1.5
// expect: uniform 0.250
// expect: normal 1
#include "crt.h"
double npy_log2(double);
double npy_logaddexp(double, double);
float npy_half_to_float(unsigned short);
typedef struct {
    void *state;
    unsigned long long (*next_uint64)(void *);
    unsigned (*next_uint32)(void *);
    double (*next_double)(void *);
    unsigned long long (*next_raw)(void *);
} bitgen;
double random_standard_uniform(bitgen *);
double random_standard_normal(bitgen *);
static unsigned long long next64(void *state) { unsigned long long *s = state; return *s = *s * 6364136223846793005ull + 1442695040888963407ull; }
static unsigned next32(void *state) { return next64(state) >> 32; }
static double quarter(void *state) { return 0.25; }
int main(void) {
    printf("log2 %.3f\n", npy_log2(8));
    printf("logaddexp %.3f\n", npy_logaddexp(1, 1));
    printf("half %.1f\n", npy_half_to_float(0x3e00));
    unsigned long long state = 42;
    bitgen generator = {&state, next64, next32, quarter, next64};
    printf("uniform %.3f\n", random_standard_uniform(&generator));
    double sum = 0, squares = 0;
    for (int i = 0; i < 10000; i++) { double n = random_standard_normal(&generator); sum += n; squares += n * n; }
    printf("normal %d\n", sum < 300 && sum > -300 && squares > 9500 && squares < 10500);
    return 0;
}
