// A C++ program with an allocator that is a shared library, in front of the C++ library.
// libs: tcmalloc_minimal stdc++
// flags: -O2
// flags: -O2 -fno-pic
// compilers: gcc clang-19
#include "../run_headers/allocator_cxx.h"
