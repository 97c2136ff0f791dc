// The addresses of inline functions and of type information are one with a library's: they tell what is the same.
// flags: -O2
// flags: -O0 -fPIC
// flags: -O2 -fno-pic
// compilers: gcc clang-19
// shared: vague_functions.2.cpp
#include <cstdio>
#include "vague_functions.h"

extern Identity other();
extern "C" Identity library_identity();
extern "C" Base *library_make();

int main() {
    Identity here = identity(), there = other(), inside = library_identity();
    std::printf("%d %d\n", here.function == there.function, here.function == inside.function);
    std::printf("%d %d\n", here.member == there.member, here.member == inside.member);
    std::printf("%d %d\n", here.type == there.type, here.type == inside.type);
    std::printf("%d %d\n", here.tag == there.tag, here.tag == inside.tag);
    Base *made = library_make();
    std::printf("%d %d %d\n", dynamic_cast<Derived<int> *>(made) != nullptr, made->id(), here.function(3));
    std::printf("%d\n", *reinterpret_cast<void **>(made) == *reinterpret_cast<void **>(here.object));
    try {
        throw_derived(made);
    } catch (Derived<int> *caught) {
        std::puts(caught == made ? "caught" : "another");
    }
}
