// compilers: msvc
// flags: -O2
// flags: -O0
// expect: greatest 9.4999999999999982 0x1.2ffffffffffffp+3
// expect: exponents 1 -3 22 308 | 0 38
// expect: rows 230584300921369395 111253692925360069 | 699646928636035157 16777216 | 33000000000 241525390625
// expect: powers 540be400 5099
// Tables that <charconv> and std::format read, which are in Microsoft's import library: used as they use them.
#include "crt.h"
typedef unsigned long long u64;
typedef unsigned u32;
namespace std {
extern const u64 __DOUBLE_POW5_INV_SPLIT[292][2];
extern const u64 __DOUBLE_POW5_SPLIT[326][2];
extern const u64 __POW10_SPLIT[1224][3];
extern const u64 __POW10_SPLIT_2[3133][3];
extern const u32 _Large_power_data[578];
template <class> struct _General_precision_tables_2;
template <> struct _General_precision_tables_2<float> {
    static const u32 _Special_X_table[63];
    static const u32 _Ordinary_X_table[44];
};
template <> struct _General_precision_tables_2<double> {
    static const u64 _Special_X_table[195];
    static const u64 _Ordinary_X_table[314];
};
}
using namespace std;

template <class Bits> static Bits bits_of(double number) {
    if (sizeof(Bits) == 4) {
        union { float number; u32 bits; } narrow = {(float)number};
        return narrow.bits;
    }
    union { double number; u64 bits; } wide = {number};
    return wide.bits;
}

// The decimal exponent, by the first entry that is not smaller.
template <class Bits> static int exponent(const Bits *table, int count, double number) {
    int at = 0;
    while (at < count && table[at] < bits_of<Bits>(number)) at++;
    return at - 5;
}

int main(void) {
    using Double = _General_precision_tables_2<double>;
    using Float = _General_precision_tables_2<float>;
    union { u64 bits; double number; } greatest = {Double::_Special_X_table[5]};
    printf("greatest %.16f %a\n", greatest.number, greatest.number);
    printf("exponents %d %d %d %d | %d %d\n", exponent(Double::_Ordinary_X_table, 314, 10.0),
           exponent(Double::_Ordinary_X_table, 314, 0.00999), exponent(Double::_Ordinary_X_table, 314, 1e23),
           exponent(Double::_Ordinary_X_table, 314, 1.7e308), exponent(Float::_Special_X_table, 6, 9.25),
           exponent(Float::_Ordinary_X_table, 44, 3e38));
    printf("rows %llu %llu | %llu %llu | %llu %llu\n", __DOUBLE_POW5_INV_SPLIT[1][1], __DOUBLE_POW5_SPLIT[325][1],
           __POW10_SPLIT[1][0], __POW10_SPLIT[5][2], __POW10_SPLIT_2[3132][2], __POW10_SPLIT_2[3131][2]);
    printf("powers %x %x\n", _Large_power_data[0], _Large_power_data[577]);
    return 0;
}
