// As vague_sysv: functions and their static variables, virtual tables, type information.
// flags: -std=c++17 -O2
// flags: -std=c++17 -O0 -fPIC
// flags: -std=c++17 -O1 -fno-pic
// compilers: gcc clang-19
// shared: vague_sysv_functions.2.cpp
// shared-flags: -Wl,--hash-style=sysv
#include "vague_functions.cpp"
