// An initializer of .CRT$XI that does not return zero ends it all.
// compilers: msvc
// flags: -O0
// error: it returned 3
#include "crt.h"
static int fails(void) { return 3; }
static void never(void) { puts("never"); }
__attribute__((section(".CRT$XIC"), used)) int (*const on_start)(void) = fails;
__attribute__((section(".CRT$XCU"), used)) void (*const on_init)(void) = never;
int main(void) { return 0; }
