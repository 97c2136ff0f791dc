// A program with tcmalloc: what libraries allocate it frees, and the reverse.
// archives: libtcmalloc_minimal.a
// libs: stdc++
// flags: -O2
// flags: -O0 -fPIC
// flags: -O2 -fno-pic
#include "../run_headers/allocator_c.h"
