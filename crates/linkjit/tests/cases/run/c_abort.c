// A program that is killed by a signal.
#include <stdio.h>
#include <stdlib.h>

static void never(void) { puts("atexit does not run"); }
int main(void) {
    atexit(never);
    puts("before");
    fflush(stdout);
    abort();
}
