#include "crt.h"
namespace deep { [[noreturn]] __attribute__((noinline)) void thrower() { throw 42; } }
struct Shape { virtual int corners(int n) const; };
__attribute__((noinline)) int Shape::corners(int n) const { if (n < 3) throw "too few"; return n; }
int main() {
    try { Shape().corners(2); } catch (const char *text) { printf("caught %s\n", text); }
    try { deep::thrower(); } catch (int n) { printf("caught %d\n", n); }
}
