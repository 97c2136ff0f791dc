// compilers: msvc
// flags: -O0
// flags: -O2
// expect: made 0 1 2
// expect: copied 0 1 2
// expect: gone 12 11 10
// expect: gone 2 1 0
// expect: made 0 1 2 3 gone 2 1 0 caught 3
// expect: copied 0 1 gone 10 caught 11
// expect: gone 3 2 1 0 caught 2
// expect: made virtual 1 made virtual 1
// expect: left 0
// What MSVC calls for arrays of objects; clang has loops of its own, so the calls are made by name.
#include "crt.h"
typedef void (*OnElement)(void *);
typedef void (*OnTwo)(void *, void *);
void construct(void *, size_t_, size_t_, OnElement, OnElement) __asm__("??_L@YAXPEAX_K1P6AX0@Z2@Z");
void construct_virtual(void *, size_t_, size_t_, OnTwo, OnElement) __asm__("??_N@YAXPEAX_K1P6AX0@Z2@Z");
void copy(void *, void *, size_t_, size_t_, OnTwo, OnElement) __asm__("??__C@YAXPEAX0_K1P6AX00@ZP6AX0@Z@Z");
void destroy(void *, size_t_, size_t_, OnElement) __asm__("??_M@YAXPEAX_K1P6AX0@Z@Z");
struct Element { long long n; char more[16]; };
static int alive, next, throws_at = -1;
static void make(void *place) {
    int n = next++;
    printf(" %d", n);
    if (n == throws_at) throw n;
    ((Element *)place)->n = n;
    alive++;
}
static void make_copy(void *place, void *from) {
    long long n = ((Element *)from)->n;
    printf(" %d", (int)n);
    if (n + 10 == throws_at) throw (int)n + 10;
    ((Element *)place)->n = n + 10;
    alive++;
}
static void make_virtual(void *place, void *flag) {
    printf("%smade virtual %d", next++ ? " " : "", (int)(long long)flag);
    ((Element *)place)->n = 0;
    alive++;
}
static void unmake(void *place) {
    long long n = ((Element *)place)->n;
    printf(" %d", (int)n);
    alive--;
    if (n == throws_at) throw (int)n;
}
static void cleanup(void *place) {
    static int first = -1;
    if (first != next) { first = next; printf(" gone"); }
    unmake(place);
}
int main() {
    Element elements[4], copies[4];
    const size_t_ size = sizeof(Element);
    printf("made");
    construct(elements, size, 3, make, unmake);
    printf("\ncopied");
    copy(copies, elements, size, 3, make_copy, unmake);
    printf("\ngone");
    destroy(copies, size, 3, unmake);
    printf("\ngone");
    destroy(elements, size, 3, unmake);
    next = 0;
    throws_at = 3;
    printf("\nmade");
    try { construct(elements, size, 4, make, cleanup); } catch (int n) { printf(" caught %d\n", n); }
    for (int n = 0; n < 4; n++) elements[n].n = n;
    throws_at = 11;
    next = 100;
    printf("copied");
    try { copy(copies, elements, size, 4, make_copy, cleanup); } catch (int n) { printf(" caught %d\n", n); }
    throws_at = 2;
    alive += 4;
    printf("gone");
    try { destroy(elements, size, 4, unmake); } catch (int n) { printf(" caught %d\n", n); }
    throws_at = -1;
    next = 0;
    alive -= 2;
    construct_virtual(elements, size, 2, make_virtual, unmake);
    printf("\nleft %d\n", alive);
}
