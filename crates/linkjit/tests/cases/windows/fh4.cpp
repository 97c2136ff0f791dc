// compilers: msvc
// expect: nothing thrown 0
// expect: destroyed
// expect: int 7
// expect: destroyed
// expect: outer caught 2.5
// expect: with cookie:
// expect: destroyed
// expect: int 9
// Exception handling of Microsoft's compiler since 2019 (__CxxFrameHandler4), with tables as it writes them: no other
// compiler does.
#include "crt.h"
extern "C" {
int guarded(void (*)(void));
int guarded_with_cookie(void (*)(void));
void destroy_object(void *) { puts("destroyed"); }
}
static void nothing() {}
static void throw_int() { throw 7; }
static void throw_double() { throw 2.5; }
static void throw_other() { throw 9; }
int main() {
    printf("nothing thrown %d\n", guarded(nothing));
    printf("int %d\n", guarded(throw_int));
    try { guarded(throw_double); puts("wrong"); } catch (double d) { printf("outer caught %d.%d\n", (int)d, (int)(d * 10) % 10); }
    puts("with cookie:");
    printf("int %d\n", guarded_with_cookie(throw_other));
    return 0;
}
