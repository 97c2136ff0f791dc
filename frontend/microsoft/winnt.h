// Wine's <winnt.h> defines a function that clang has built in.
#pragma once
#define _InterlockedCompareExchange128 __linkjit_compare_exchange_128
#include_next <winnt.h>
#undef _InterlockedCompareExchange128
#ifdef __cplusplus
extern "C"
#endif
    unsigned char _InterlockedCompareExchange128(__int64 volatile *, __int64, __int64, __int64 *);
