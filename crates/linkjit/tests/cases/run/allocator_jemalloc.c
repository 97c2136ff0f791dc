// A program with jemalloc: what libraries allocate it frees, and the reverse.
// archives: libjemalloc.a
// flags: -O2
// flags: -O0 -fPIC
// flags: -O2 -fno-pic
#include "../run_headers/allocator_c.h"
