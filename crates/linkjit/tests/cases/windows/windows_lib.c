// compilers: msvc
// crate: windows_x86_64_msvc 0.53.1 lib/windows.0.53.0.lib
// expect: ordinal or name 1
// expect: shell 1
// expect: winsock 0
#include "crt.h"
__declspec(dllimport) unsigned long GetTickCount(void);
__declspec(dllimport) int PathIsRelativeA(const char *);
__declspec(dllimport) int WSAStartup(unsigned short, void *);
int main(void) {
    char data[512];
    printf("ordinal or name %d\n", GetTickCount() != 0);
    printf("shell %d\n", PathIsRelativeA("a\\b"));
    printf("winsock %d\n", WSAStartup(0x202, data));
    return 0;
}
