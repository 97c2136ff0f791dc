// compilers: msvc
// flags: -O0
// flags: -O2
// expect: int 7
// expect: ~Guard
// expect: base derived
// expect: rethrown derived
// expect: anything
// expect: nested 2 in 1
// expect: through qsort 5
// expect: const char text
// expect: function try 9
// expect: copies destroyed
// expect: noexcept is fine
#include "crt.h"
struct Guard { ~Guard() { puts("~Guard"); } };
struct Base { virtual ~Base() {} virtual const char *name() const { return "base"; } };
struct Derived : Base { const char *name() const override { return "derived"; } };
static int alive;
struct Counted { Counted() { alive++; } Counted(const Counted &) { alive++; } ~Counted() { alive--; } };
__attribute__((noinline)) void throw_int(int n) { if (n) throw n; }
__attribute__((noinline)) void throw_derived() { Guard guard; throw Derived(); }
__attribute__((noinline)) void rethrow() { try { throw Derived(); } catch (Base &) { throw; } }
int compare(const void *, const void *) { throw 5; }
struct Member { int n; explicit Member(int n) try : n(n) { throw_int(n); } catch (int caught) { printf("function try %d\n", caught); } };
int main() {
    try { throw_int(7); } catch (int n) { printf("int %d\n", n); }
    try { throw_derived(); } catch (const Base &base) { printf("base %s\n", base.name()); }
    try { rethrow(); } catch (Derived &derived) { printf("rethrown %s\n", derived.name()); }
    try { throw 1.5; } catch (int) { puts("wrong"); } catch (...) { puts("anything"); }
    try { throw_int(1); } catch (int outer) { try { throw_int(2); } catch (int inner) { printf("nested %d in %d\n", inner, outer); } }
    int array[2] = {2, 1};
    try { qsort(array, 2, sizeof *array, compare); } catch (int n) { printf("through qsort %d\n", n); }
    try { throw "text"; } catch (const char *text) { printf("const char %s\n", text); }
    try { Member member(9); } catch (int) {}
    for (int i = 0; i < 100; i++) { try { throw Counted(); } catch (Counted) {} }
    puts(alive == 0 ? "copies destroyed" : "copies left");
    try { throw_int(0); puts("noexcept is fine"); } catch (...) { puts("wrong"); }
}
