// compilers: msvc
// expect: merged 10
// expect: declared writable 20
// expect: code 3
// expect: written: no
#include "crt.h"
#pragma comment(linker, "/merge:.lonely=.company")
#pragma comment(linker, "/merge:.company=.data")
#pragma comment(linker, "/section:.mine,RW")
#pragma comment(linker, "/section:.bytes,ER")
#pragma comment(linker, "/section:.fixed,R")
#pragma section(".lonely$a", read)
__declspec(allocate(".lonely$a")) const int merged = 1;
#pragma section(".mine", read)
__declspec(allocate(".mine")) const int writable = 2;
#pragma section(".bytes", read)
__declspec(allocate(".bytes")) const unsigned char bytes[] = {0xb8, 3, 0, 0, 0, 0xc3};
#pragma section(".fixed", read, write)
__declspec(allocate(".fixed")) int fixed = 4;
__attribute__((noinline)) static void put(const int *at, int n) { *(volatile int *)at = n; }
__attribute__((noinline)) static int get(const int *at) { return *(const volatile int *)at; }
int main(void) {
    put(&merged, 10);
    printf("merged %d\n", get(&merged));
    put(&writable, 20);
    printf("declared writable %d\n", get(&writable));
    int (*volatile code)(void) = (int (*)(void))(const void *)bytes;
    printf("code %d\n", code());
    __try { put(&fixed, 5); puts("written: yes"); } __except (1) { puts("written: no"); }
    return 0;
}
