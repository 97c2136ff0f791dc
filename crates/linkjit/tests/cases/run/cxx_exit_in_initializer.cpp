// exit() in an initializer: what was constructed is destroyed, main is not called.
// flags: -O1 -fPIC
#include <cstdio>
#include <cstdlib>

struct Tracer {
    int n;
    explicit Tracer(int n) : n(n) {
        std::printf("construct %d\n", n);
        if (n == 2) std::exit(8);
    }
    ~Tracer() { std::printf("destroy %d\n", n); }
};
static Tracer one(1), two(2), three(3);
int main() { std::puts("main"); }
