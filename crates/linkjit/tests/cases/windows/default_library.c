// compilers: msvc
// expect: started 0
// expect: swapped 1
#include "crt.h"
#pragma comment(lib, "ws2_32")
#pragma comment(lib, "LIBCMT")
#pragma comment(lib, "unneeded_and_missing")
__declspec(dllimport) int WSAStartup(unsigned short, void *);
__declspec(dllimport) unsigned short htons(unsigned short);
int main(void) {
    char data[512];
    printf("started %d\n", WSAStartup(0x202, data));
    printf("swapped %d\n", htons(1) == 0x100);
    return 0;
}
