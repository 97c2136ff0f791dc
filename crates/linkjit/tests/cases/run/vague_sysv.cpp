// A library may have the old hash table only (DT_HASH), in which the loader's dladdr does not see unique symbols.
// flags: -std=c++17 -O2
// flags: -std=c++17 -O0 -fPIC
// flags: -std=c++17 -O1 -fno-pic
// compilers: gcc clang-19
// shared: vague_sysv.2.cpp
// shared-flags: -Wl,--hash-style=sysv
#include "vague_data.cpp"
