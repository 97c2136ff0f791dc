// compilers: msvc clang-gnu mingw
// expect: here there too
// expect: 3 entries
// An array that is put together by the linker out of the pieces of all objects, between its ends.
#include "crt.h"
#ifdef _MSC_VER
#pragma section("array$a", read)
#pragma section("array$m", read)
#pragma section("array$z", read)
#define IN(name) __declspec(allocate(name))
#else
#define IN(name) __attribute__((section(name), used))
#endif
int other(void);
IN("array$a") const char *const array_start = 0;
IN("array$z") const char *const array_end = 0;
IN("array$m") const char *const here = "here";
int main(void) {
    int count = other();
    for (const char *const volatile *at = &array_start + 1; at < (const char *const volatile *)&array_end; at++) {
        if (!*at) continue;
        printf(count++ ? " %s" : "%s", *at);
    }
    printf("\n%d entries\n", count);
    return 0;
}
