// setjmp is a function that the compiler knows; longjmp unwinds the frames between, and runs what they have to run.
// compilers: msvc
// flags: -O0 -fasync-exceptions
// flags: -O2 -fasync-exceptions
// options:
// options: --lazy
// expect: in
// expect: finally
// expect: back 3
#include "crt.h"
typedef struct { __attribute__((aligned(16))) char data[256]; } buffer[1];
int _setjmp(buffer) __attribute__((returns_twice));
__declspec(noreturn) void longjmp(buffer, int);
static buffer place;
__declspec(noinline) static void jumps(int value) {
    __try {
        puts("in");
        longjmp(place, value);
    } __finally {
        puts("finally");
    }
}
int main(void) {
    int value = _setjmp(place);
    if (value == 0) jumps(3);
    printf("back %d\n", value);
    return 0;
}
