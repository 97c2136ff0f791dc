// What is not shared natively is not shared: hidden and protected definitions, weak functions that are defaults of C.
// flags: -O2
// flags: -O2 -fno-pic
// compilers: gcc clang-19
// shared: vague_kept.1.cpp
#include <cstdio>
#include "vague_kept.h"

extern "C" int *library_hidden();
extern "C" int *library_program_hides();
extern "C" int library_default();
extern "C" __attribute__((weak)) int default_answer() { return 1; }

int main() {
    std::printf("%d\n", library_hidden() == &hidden_value);
    std::printf("%d\n", library_program_hides() == &program_hides);
    std::printf("%d\n", default_answer());
}
