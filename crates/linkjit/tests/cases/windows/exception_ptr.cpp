// Copies of exceptions that outlive their handlers, also of those that were never thrown, and on another thread. The
// functions are what <exception> calls. With Microsoft's DLLs: Wine's make a mistake here.
// compilers: msvc
// flags: -O0
// flags: -O2
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/msvcp140.dll
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/vcruntime140.dll
// dlls: msvc-runtime==14.44.35112 msvc_runtime-14.44.35112.data/data/Scripts/vcruntime140_1.dll
// expect: current
// expect: caught 1
// expect: again 1
// expect: never thrown
// expect: caught 2
// expect: 0 left
#include "crt.h"
extern "C" {
void create(void *) __asm__("?__ExceptionPtrCreate@@YAXPEAX@Z");
void destroy(void *) __asm__("?__ExceptionPtrDestroy@@YAXPEAX@Z");
void copy_exception(void *, const void *, const void *) __asm__("?__ExceptionPtrCopyException@@YAXPEAXPEBX1@Z");
void rethrow(const void *) __asm__("?__ExceptionPtrRethrow@@YAXPEBX@Z");
void current(void *) __asm__("?__ExceptionPtrCurrentException@@YAXPEAX@Z");
extern const char description[] __asm__("_TI1?AUException@@");
}
static int alive;
struct Exception {
    int n;
    Exception(int n) : n(n) { alive++; }
    Exception(const Exception &other) : n(other.n) { alive++; }
    ~Exception() { alive--; }
};
static unsigned long again(void *pointer) {
    try {
        rethrow(pointer);
    } catch (Exception &exception) {
        printf("again %d\n", exception.n);
    }
    return 0;
}
int main() {
    void *pointer[2];
    create(pointer);
    try {
        throw Exception(1);
    } catch (Exception &exception) {
        puts("current");
        current(pointer);
        printf("caught %d\n", exception.n);
    }
    run_thread(again, pointer);
    destroy(pointer);
    puts("never thrown");
    create(pointer);
    {
        Exception exception(2);
        copy_exception(pointer, &exception, description);
    }
    try {
        rethrow(pointer);
    } catch (Exception &exception) {
        printf("caught %d\n", exception.n);
    }
    destroy(pointer);
    printf("%d left\n", alive);
}
