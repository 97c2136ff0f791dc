// compilers: msvc
// expect: same address 1
// expect: same through pointer 1
// expect: ordinal or name 1
// expect: plain call 1
#include "crt.h"
unsigned long GetTickCount(void);
__declspec(dllimport) unsigned long GetVersion(void);
extern unsigned long (*const __imp_GetVersion)(void);
unsigned long (*pointer)(void) = GetTickCount;
int main(void) {
    void *kernel = GetModuleHandleA("kernel32.dll");
    printf("same address %d\n", (void *)GetVersion == GetProcAddress(kernel, "GetVersion"));
    printf("same through pointer %d\n", __imp_GetVersion == GetVersion);
    printf("ordinal or name %d\n", GetVersion() != 0);
    printf("plain call %d\n", GetTickCount() != 0 && pointer() != 0);
    return 0;
}
