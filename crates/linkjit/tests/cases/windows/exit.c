// Functions for the end run last first, those registered meanwhile at once; then come the terminators.
// compilers: msvc
// flags: -O0
// flags: -O2
// options:
// options: --lazy
// exit: 7
// expect: first initializer
// expect: initializer
// expect: main
// expect: onexit
// expect: second
// expect: while exiting
// expect: first
// expect: pre-terminator
// expect: terminator
#include "crt.h"
int (*_onexit(int (*)(void)))(void);
static int starts(void) { puts("first initializer"); return 0; }
static void initializes(void) { puts("initializer"); }
static void pre_terminates(void) { puts("pre-terminator"); }
static void terminates(void) { puts("terminator"); }
__attribute__((section(".CRT$XIC"), used)) int (*const on_start)(void) = starts;
__attribute__((section(".CRT$XCU"), used)) void (*const on_init)(void) = initializes;
__attribute__((section(".CRT$XTX"), used)) void (*const on_end)(void) = terminates;
__attribute__((section(".CRT$XPX"), used)) void (*const before_end)(void) = pre_terminates;
static void first(void) { puts("first"); }
static void late(void) { puts("while exiting"); }
static void second(void) { puts("second"); atexit(late); }
static int on_exit_too(void) { puts("onexit"); return 0; }
int main(void) {
    puts("main");
    atexit(first);
    atexit(second);
    if (_onexit(on_exit_too) != on_exit_too) return 1;
    exit(7);
}
