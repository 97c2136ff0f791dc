// compilers: mingw
// flags: -O0
// flags: -O2
// expect: third 1 sum 1
// expect: less 1 equal 0
// expect: integer 123456789012 int128 1
#include "crt.h"
int main(void) {
    volatile __float128 one = 1, three = 3, large = 123456789012;
    __float128 third = one / three;
    volatile double narrowed = (double)third, sum = (double)(third + third + third);
    printf("third %d sum %d\n", narrowed > 0.333 && narrowed < 0.334 && (double)(third * three - one) < 1e-30, sum > 0.9999999999999999 && sum < 1.0000000000000002);
    printf("less %d equal %d\n", third < one, third == one);
    volatile __int128 whole = (__int128)(large * large);
    printf("integer %lld int128 %d\n", (long long)large, whole == (__int128)123456789012 * 123456789012);
    return 0;
}
