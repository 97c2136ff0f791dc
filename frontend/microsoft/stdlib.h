// Wine's <stdlib.h> is C. C++ has overloads.
#pragma once
#include_next <stdlib.h>
#ifdef __cplusplus
extern "C++" {
inline long abs(long x) noexcept { return x < 0 ? -x : x; }
inline long long abs(long long x) noexcept { return x < 0 ? -x : x; }
inline ldiv_t div(long x, long y) noexcept { return ldiv(x, y); }
}
#endif
