// A program with an allocator that is a shared library: memory of the C library's functions goes to the right one.
// libs: mimalloc
// flags: -O2
// flags: -O0 -fPIC
// flags: -O2 -fno-pic
// compilers: gcc clang-19
#include "../run_headers/allocator_c.h"
