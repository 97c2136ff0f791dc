// compilers: msvc clang-gnu mingw
// expect: no runtime
// exit: 4
// Programs without a C runtime begin where it would.
__declspec(dllimport) void *GetStdHandle(unsigned long);
__declspec(dllimport) int WriteFile(void *, const void *, unsigned long, unsigned long *, void *);
__declspec(dllimport) void ExitProcess(unsigned);
void mainCRTStartup(void) {
    unsigned long written;
    WriteFile(GetStdHandle(-11), "no runtime\n", 11, &written, 0);
    ExitProcess(4);
}
