// compilers: msvc
// expect: caught 3
// expect: image 1
// expect: at exit
// Functions of DLLs that must know linked code, though import libraries say which DLL has them.
#include "crt.h"
extern "C" unsigned char __ImageBase[];
extern "C" __declspec(dllimport) void *RtlPcToFileHeader(void *, void **);
extern "C" int _crt_atexit(void (*)());
static void at_exit() { puts("at exit"); }
int main() {
    try { throw 3; } catch (int n) { printf("caught %d\n", n); }
    void *base;
    printf("image %d\n", RtlPcToFileHeader((void *)main, &base) == __ImageBase);
    _crt_atexit(at_exit);
    return 0;
}
