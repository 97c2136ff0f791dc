// compilers: msvc
// flags: -O0 -fasync-exceptions
// flags: -O2 -fasync-exceptions
// expect: access violation
// expect: finally normal
// expect: finally abnormal
// expect: filter saw e0001234
// expect: continued
// expect: divided
#include "crt.h"
unsigned long _exception_code(void);
int _abnormal_termination(void);
__attribute__((noinline)) int read(volatile int *at) { return *at; }
__attribute__((noinline)) int divide(int a, volatile int b) { return a / b; }
static int filter(unsigned long code) { printf("filter saw %lx\n", code); return code == 0xe0001234; }
__attribute__((noinline)) void with_finally(volatile int *at) {
    __try { if (at) read((volatile int *)8); }
    __finally { puts(_abnormal_termination() ? "finally abnormal" : "finally normal"); }
}
int main(void) {
    __try { read((volatile int *)16); puts("wrong"); }
    __except (_exception_code() == 0xc0000005) { puts("access violation"); }
    with_finally(0);
    __try { int at; with_finally(&at); } __except (1) { }
    __try { RaiseException(0xe0001234, 0, 0, 0); puts("wrong"); }
    __except (filter(_exception_code())) { puts("continued"); }
    __try { divide(1, 0); puts("wrong"); }
    __except (_exception_code() == 0xc0000094) { puts("divided"); }
    return 0;
}
