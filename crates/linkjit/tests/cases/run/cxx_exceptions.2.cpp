#include <cstdio>

struct Guard {
    ~Guard() { std::puts("guard"); }
};

void through(void (*f)(int), int code) {
    Guard guard;
    f(code);
}

int compare_and_throw(const void *, const void *) { throw "not comparable"; }
