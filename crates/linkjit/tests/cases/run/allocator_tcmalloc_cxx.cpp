// A C++ program with tcmalloc, whose operators serve the C++ library, too.
// archives: libtcmalloc_minimal.a
// flags: -O2
// flags: -O0 -fPIC
#include "../run_headers/allocator_cxx.h"
