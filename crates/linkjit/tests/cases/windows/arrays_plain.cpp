// compilers: msvc
// flags: -O0
// flags: -O2
// expect: constructed 0 1 2
// expect: returned 7 7 7
// expect: with bases 11 11
// expect: copied 0 1 2
// expect: copied with bases 10 11 12
// expect: destroyed 2 1 0
// expect: unwound 1 0, caught
// expect: copies unwound 0, caught
// What MSVC calls for arrays of objects in code without exceptions (vector constructor iterator and its kin), and for
// constructors of other types.
#include "crt.h"
typedef size_t_ size;
extern "C" {
void construct(void *, size, size, void *(*)(void *)) __asm__("??_H@YAXPEAX_K1P6APEAX0@Z@Z");
void construct_void(void *, size, size, void (*)(void *)) __asm__("??_H@YAXPEAX_K1P6AX0@Z@Z");
void with_bases(void *, size, size, void *(*)(void *, int)) __asm__("??_J@YAXPEAX_K1P6APEAX0@Z@Z");
void destroy(void *, size, size, void (*)(void *)) __asm__("??_I@YAXPEAX_K1P6AX0@Z@Z");
void copy(void *, void *, size, size, void *(*)(void *, void *)) __asm__("??__G@YAXPEAX0_K1P6APEAX00@Z@Z");
void copy_with_bases(void *, void *, size, size, void *(*)(void *, void *, int)) __asm__("??__H@YAXPEAX0_K1P6APEAX00@Z@Z");
void guarded(void *, size, size, void *(*)(void *), void (*)(void *)) __asm__("??_L@YAXPEAX_K1P6APEAX0@ZP6AX0@Z@Z");
void copies_guarded(void *, void *, size, size, void *(*)(void *, void *, int), void (*)(void *)) __asm__("??__D@YAXPEAX0_K1P6APEAX00@ZP6AX0@Z@Z");
}
static int next;
static void *number(void *at) { *(int *)at = next++; return at; }
static void count(void *at) { *(int *)at = next++; }
static void *seven(void *at) { *(int *)at = 7; return at; }
static void *eleven(void *at, int bases) { *(int *)at = 10 + bases; return at; }
static void *same(void *at, void *from) { *(int *)at = *(int *)from; return at; }
static void *more(void *at, void *from, int bases) { *(int *)at = *(int *)from + 10 * bases; return at; }
static void say(void *at) { printf(" %d", *(int *)at); }
static void *fail_at_two(void *at) { if (next == 2) throw 1; *(int *)at = next++; return at; }
static void *copy_fails_at_one(void *at, void *from, int bases) { if (*(int *)from == bases) throw 2; *(int *)at = *(int *)from; return at; }
int main() {
    int a[3], b[3];
    construct_void(a, sizeof *a, 3, count);
    printf("constructed %d %d %d\n", a[0], a[1], a[2]);
    construct(b, sizeof *b, 3, seven);
    printf("returned %d %d %d\n", b[0], b[1], b[2]);
    with_bases(b, sizeof *b, 2, eleven);
    printf("with bases %d %d\n", b[0], b[1]);
    copy(b, a, sizeof *a, 3, same);
    printf("copied %d %d %d\n", b[0], b[1], b[2]);
    copy_with_bases(b, a, sizeof *a, 3, more);
    printf("copied with bases %d %d %d\n", b[0], b[1], b[2]);
    printf("destroyed");
    destroy(a, sizeof *a, 3, say);
    next = 0;
    printf("\nunwound");
    try { guarded(a, sizeof *a, 3, fail_at_two, say); } catch (int) { puts(", caught"); }
    next = 0;
    construct(a, sizeof *a, 3, number);
    printf("copies unwound");
    try { copies_guarded(b, a, sizeof *a, 3, copy_fails_at_one, say); } catch (int) { puts(", caught"); }
}
