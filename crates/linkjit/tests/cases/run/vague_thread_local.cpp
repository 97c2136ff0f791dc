// Thread-local inline variables and static members are one with a library's, in each thread.
// flags: -std=c++17 -O2
// flags: -std=c++17 -O0 -fPIC
// compilers: gcc clang-19
// shared: vague_thread_local.2.cpp
#include <cstdio>
#include <thread>
#include "vague_thread_local.h"

extern "C" int *library_variable(int);
extern "C" int library_add(int);

static void check(const char *who) {
    number += 1;
    Slot<int>::value += 2;
    std::printf("%s %d %d %d\n", who, library_variable(0) == &number, library_variable(1) == &Slot<int>::value,
                library_variable(2) == &local());
    std::printf("%s %d %d\n", who, library_add(10), number);
}

int main() {
    check("main");
    std::thread([] { check("thread"); }).join();
    check("main");
}
