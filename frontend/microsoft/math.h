// Wine's <math.h> is C. C++ has overloads for all arithmetic types, and no macros.
#pragma once
#include_next <math.h>
#ifdef __cplusplus
#undef fpclassify
#undef signbit
#undef isfinite
#undef isinf
#undef isnan
#undef isnormal
extern "C++" {
template <bool> struct __linkjit_if {};
template <> struct __linkjit_if<true> { using is_double = double; };
#define __LINKJIT_IF(condition) typename __linkjit_if<(condition)>::is_double

#define __LINKJIT_MATH(name)                                                                                           \
  inline float name(float x) noexcept { return name##f(x); }                                                           \
  inline long double name(long double x) noexcept { return name(static_cast<double>(x)); }                             \
  template <class T> __LINKJIT_IF(__is_integral(T)) name(T x) noexcept { return name(static_cast<double>(x)); }
__LINKJIT_MATH(acos) __LINKJIT_MATH(acosh) __LINKJIT_MATH(asin) __LINKJIT_MATH(asinh) __LINKJIT_MATH(atan)
__LINKJIT_MATH(atanh) __LINKJIT_MATH(cbrt) __LINKJIT_MATH(ceil) __LINKJIT_MATH(cos) __LINKJIT_MATH(cosh)
__LINKJIT_MATH(erf) __LINKJIT_MATH(exp) __LINKJIT_MATH(exp2) __LINKJIT_MATH(expm1) __LINKJIT_MATH(fabs)
__LINKJIT_MATH(floor) __LINKJIT_MATH(lgamma) __LINKJIT_MATH(log) __LINKJIT_MATH(log10) __LINKJIT_MATH(log1p)
__LINKJIT_MATH(log2) __LINKJIT_MATH(logb) __LINKJIT_MATH(nearbyint) __LINKJIT_MATH(rint) __LINKJIT_MATH(round)
__LINKJIT_MATH(sin) __LINKJIT_MATH(sinh) __LINKJIT_MATH(sqrt) __LINKJIT_MATH(tan) __LINKJIT_MATH(tanh)
__LINKJIT_MATH(tgamma) __LINKJIT_MATH(trunc)
#undef __LINKJIT_MATH

// The type of a mixture is double, as long double is, too; two of float have float.
#define __LINKJIT_MATH(name)                                                                                           \
  inline float name(float x, float y) noexcept { return name##f(x, y); }                                               \
  template <class T, class U> __LINKJIT_IF(__is_arithmetic(T) && __is_arithmetic(U)) name(T x, U y) noexcept {         \
    return name(static_cast<double>(x), static_cast<double>(y));                                                       \
  }
__LINKJIT_MATH(atan2) __LINKJIT_MATH(copysign) __LINKJIT_MATH(fdim) __LINKJIT_MATH(fmax) __LINKJIT_MATH(fmin)
__LINKJIT_MATH(fmod) __LINKJIT_MATH(hypot) __LINKJIT_MATH(nextafter) __LINKJIT_MATH(pow) __LINKJIT_MATH(remainder)
#undef __LINKJIT_MATH

#define __LINKJIT_MATH(type, name, ...)                                                                                \
  inline type name(float x) noexcept { return __VA_ARGS__; }                                                           \
  inline type name(double x) noexcept { return __VA_ARGS__; }                                                          \
  inline type name(long double x) noexcept { return __VA_ARGS__; }
__LINKJIT_MATH(int, fpclassify, __builtin_fpclassify(FP_NAN, FP_INFINITE, FP_NORMAL, FP_SUBNORMAL, FP_ZERO, x))
__LINKJIT_MATH(bool, signbit, __builtin_signbit(x))
__LINKJIT_MATH(bool, isfinite, __builtin_isfinite(x))
__LINKJIT_MATH(bool, isinf, __builtin_isinf(x))
__LINKJIT_MATH(bool, isnan, __builtin_isnan(x))
__LINKJIT_MATH(bool, isnormal, __builtin_isnormal(x))
#undef __LINKJIT_MATH

inline float abs(float x) noexcept { return __builtin_fabsf(x); }
inline double abs(double x) noexcept { return __builtin_fabs(x); }
inline long double abs(long double x) noexcept { return __builtin_fabsl(x); }
inline float ldexp(float x, int exponent) noexcept { return static_cast<float>(ldexp(static_cast<double>(x), exponent)); }
inline float modf(float x, float *whole) noexcept { return modff(x, whole); }
#undef __LINKJIT_IF
}
#endif
