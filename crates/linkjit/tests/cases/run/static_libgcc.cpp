// The unwinder as a static archive: it has to know the linked frames, too.
// archives: libstdc++.a libgcc_eh.a libgcc.a
// flags: -O2 -fPIC
// compilers: gcc
#include <cstdio>
#include <stdexcept>

static int fail(int n) {
    if (n == 0) throw std::out_of_range("static");
    return fail(n - 1) + 1;
}
int main() {
    try {
        fail(5);
    } catch (const std::exception &e) {
        std::printf("caught %s\n", e.what());
    }
}
