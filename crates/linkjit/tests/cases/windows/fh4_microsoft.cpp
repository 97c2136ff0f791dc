// As fh4.cpp, with Microsoft's DLLs.
// compilers: msvc
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/msvcp140.dll
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/vcruntime140.dll
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/vcruntime140_1.dll
// expect: nothing thrown 0
// expect: destroyed
// expect: int 7
// expect: destroyed
// expect: outer caught 2.5
// expect: with cookie:
// expect: destroyed
// expect: int 9
#include "fh4.cpp"
