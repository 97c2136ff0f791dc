// compilers: msvc clang-gnu mingw
// flags: -O0
// flags: -O2
// expect: quotient 1ffffffffffffffff remainder 7
// expect: signed -36893488147419103231 -7
// expect: product ffffffffffffffff0000000000000000
// expect: shifted 1 f 8000000000000000
// expect: double 36893488147419103232.0 back 1
// expect: float 1 unsigned 1
// Arithmetic of 128 bits, which is no processor's: functions that compilers bring in a library.
#include "crt.h"
typedef unsigned __int128 u128;
typedef __int128 i128;
static void put(u128 value) {
    if (value >> 4) put(value >> 4);
    putchar("0123456789abcdef"[value & 15]);
}
static void put_decimal(i128 value) {
    if (value < 0) { putchar('-'); value = -value; }
    if (value > 9) put_decimal(value / 10);
    putchar('0' + (int)(value % 10));
}
int main(void) {
    volatile u128 large = ((u128)0xf << 64 | 0xffffffffffffffff) - 0, divisor = 8;
    volatile i128 negative = -(i128)(((u128)0x10 << 64) - 1), eight = 8;
    volatile int shift = 68;
    printf("quotient "), put(large / divisor), printf(" remainder "), put(large % divisor), puts("");
    printf("signed "), put_decimal(negative / eight), putchar(' '), put_decimal(negative % eight), puts("");
    volatile u128 factor = 0xffffffffffffffff, power = (u128)1 << 64;
    printf("product "), put(factor * power), puts("");
    printf("shifted "), put(power >> (shift - 4)), putchar(' '), put(large >> (shift - 4)), putchar(' '), put((u128)0x8000000000000000 << (shift - 68)), puts("");
    volatile double real = (double)(i128)((u128)2 << 64);
    volatile i128 back = (i128)real;
    printf("double %.1f back %d\n", real, back == (i128)((u128)2 << 64));
    volatile float single = (float)(u128)power;
    volatile double unsigned_real = (double)(u128)(power + power);
    printf("float %d unsigned %d\n", single == 18446744073709551616.0f, unsigned_real == real && (u128)unsigned_real == power * 2);
    return 0;
}
