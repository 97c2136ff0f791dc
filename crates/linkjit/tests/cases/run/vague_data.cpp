// Inline variables, static members of templates and static variables of inline functions are one with those of a library,
// initialized once and destroyed once.
// flags: -std=c++17 -O2
// flags: -std=c++17 -O0 -fPIC
// flags: -std=c++17 -O1 -fno-pic
// flags[gcc]: -std=c++17 -O2 -fno-gnu-unique
// flags[clang-19]: -std=c++17 -O2 -fPIE
// compilers: gcc clang-19
// shared: vague_data.2.cpp
#include "vague_data.h"

extern Places other();
Places library() asm("library_places");

int main() {
    Places here = places(), there = other(), inside = library();
    for (int i = 0; i < Places::count; i++)
        std::printf("%d: %d %d\n", i, here.at[i] == there.at[i], here.at[i] == inside.at[i]);
    Table<int>::value = 77;
    counter<long>() += 5;
    std::printf("%d %ld %d\n", *static_cast<int *>(inside.at[0]), *static_cast<long *>(inside.at[2]), Noisy::made);
    std::printf("%d %d %d\n", named.id, Table<char>::noisy.id, local_noisy().id);
}
