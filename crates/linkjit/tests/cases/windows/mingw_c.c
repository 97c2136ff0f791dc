// compilers: mingw clang-gnu
// archives: mingw-runtime
// flags: -O2
// flags: -O1 -fstack-protector-all
// flags: -O0
// exit: 3
// expect: mingw 3.50 no
// expect: later 1
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
int main(void) {
    printf("mingw %.2f %s\n", 3.5, getenv("NO_SUCH_VARIABLE") ? "yes" : "no");
    DWORD before = GetTickCount();
    Sleep(1);
    printf("later %d\n", GetTickCount() >= before);
    return 3;
}
