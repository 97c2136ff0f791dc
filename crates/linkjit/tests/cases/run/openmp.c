// OpenMP: outlined functions on threads that the library makes, with thread-private variables.
// compilers: gcc
// flags: -O2 -fPIC -fopenmp
// flags: -O2 -fPIE -fopenmp
// libs: gomp
#include <omp.h>
#include <stdio.h>

static int private_count = 10;
#pragma omp threadprivate(private_count)

int main(void) {
    long total = 0;
    omp_set_num_threads(4);
#pragma omp parallel for reduction(+ : total) schedule(dynamic)
    for (int i = 0; i < 1000; i++) {
        private_count++;
        total += i;
    }
    printf("%ld\n", total);
    int counted = 0;
#pragma omp parallel reduction(+ : counted)
    counted += private_count - 10;
    printf("%d\n", counted);
}
