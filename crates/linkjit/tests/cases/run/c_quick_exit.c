#include <stdio.h>
#include <stdlib.h>

static void quick(void) {
    puts("at_quick_exit");
    fflush(stdout);
}
static void never(void) { puts("atexit does not run"); }
int main(void) {
    atexit(never);
    at_quick_exit(quick);
    quick_exit(12);
}
