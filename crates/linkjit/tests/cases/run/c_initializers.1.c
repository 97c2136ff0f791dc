#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void c1(void) { puts("other c1"); }
__attribute__((constructor(101))) static void c101(void) { puts("other 101"); }
__attribute__((destructor)) static void d1(void) { puts("other d1"); }
__attribute__((destructor(101))) static void d101(void) { puts("other d101"); }

static void nested(int depth, int code) {
    if (depth == 0) exit(code);
    nested(depth - 1, code);
    puts("not reached");
}
void leave(int code) { nested(10, code); }
