// _exit runs nothing.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void never(void) {
    puts("atexit does not run");
    fflush(stdout);
}
__attribute__((destructor)) static void destructor(void) { never(); }
int main(void) {
    atexit(never);
    puts("main");
    fflush(stdout);
    _exit(3);
}
