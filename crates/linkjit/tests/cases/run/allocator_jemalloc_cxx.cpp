// A C++ program with jemalloc, whose operators serve the C++ library, too.
// archives: libjemalloc.a
// flags: -O2
// flags: -O0 -fPIC
#include "../run_headers/allocator_cxx.h"
