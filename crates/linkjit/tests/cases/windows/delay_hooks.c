// compilers: msvc clang-gnu
// flags: -O1
// expect: 0 1 3 2 5 no_such_of_this.dll #7 1
// expect: numbered 7 14
// expect: 0 1 2 5 ucrtbase.dll abs
// expect: here 4 5
// expect: 0 1 2 4 5 ucrtbase.dll no_such_function
// expect: instead 10 11
// expect: 0 5 ucrtbase.dll bypassed
// expect: 0 5 ucrtbase.dll bypassed
// expect: bypassed 3 4
// A program's hooks of delayed loading (delayimp.h): they are told what happens, and may do it themselves.
#include "crt.h"
int numbered(int), here(int), lacking(int), bypassed(int);
struct Information { unsigned size; const void *descriptor; void **slot; const char *dll; int by_name; union { const char *name; unsigned number; }; void *module, *function; unsigned error; };
typedef void *Hook(unsigned, struct Information *);
static int add(int number) { return number + 9; }
static int negate(int number) { return -number; }
static int seven(int number) { return number * 7; }
static void *notify(unsigned what, struct Information *information) {
    int is_bypassed = information->by_name && information->name[0] == 'b';
    if (what == 5 && information->by_name) printf("5 %s %s\n", information->dll, information->name);
    else if (what == 5) printf("5 %s #%u %d\n", information->dll, information->number, information->function == (void *)seven);
    else printf("%u ", what);
    if (what == 0 && is_bypassed) return (void *)negate;
    return what == 2 && !information->by_name ? (void *)seven : 0;
}
static void *fail(unsigned what, struct Information *information) {
    printf("%u ", what);
    if (what == 3 && information->error == 126) return GetModuleHandleA("ucrtbase.dll");
    return what == 4 && information->error == 127 ? (void *)add : 0;
}
Hook *const __pfnDliNotifyHook2 = notify;
Hook *const __pfnDliFailureHook2 = fail;
int main(void) {
    int first = numbered(1), second = numbered(2);
    printf("numbered %d %d\n", first, second);
    first = here(-4), second = here(-5);
    printf("here %d %d\n", first, second);
    first = lacking(1), second = lacking(2);
    printf("instead %d %d\n", first, second);
    first = bypassed(-3), second = bypassed(-4);
    printf("bypassed %d %d\n", first, second);
    return 0;
}
