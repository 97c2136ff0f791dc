// Functions of on_exit take their turn among those of atexit, initializers', too, and get the status, which one of
// them may change by exiting again.
// compilers: gcc clang-19
// flags: -O2 -fPIC
// flags: -O0 -fno-pic -no-pie
// flags[gcc]: -O2 -fPIC -xc++
// expect: 6 of main's end, status 3
// expect: 5
// expect: 4 exits again, status 3
// expect: 3, status 9
// expect: 2
// expect: 1 of an initializer, status 9
// expect: 0
// exit: 9
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>

static void with_status(int status, void *text) { printf("%s, status %d\n", (char *)text, status); }
static void again(int status, void *text) {
    with_status(status, text);
    exit(9);
}
static void zero(void) { puts("0"); }
static void two(void) { puts("2"); }
static void five(void) { puts("5"); }

__attribute__((constructor)) static void initialize(void) {
    atexit(zero);
    on_exit(with_status, (void *)"1 of an initializer");
}

int main(void) {
    atexit(two);
    on_exit(with_status, (void *)"3");
    on_exit(again, (void *)"4 exits again");
    atexit(five);
    int (*by_address)(void (*)(int, void *), void *) = on_exit;
    by_address(with_status, (void *)"6 of main's end");
    return 3;
}
