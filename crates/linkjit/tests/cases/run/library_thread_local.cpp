// Thread-local variables of a library (std::call_once has two), of other functions, and such of a model that needs a fixed
// place, in code that is compiled for a program.
// flags: -O2
// expect: 1 of 2 threads
// expect: 6 8 20
// expect: 7 9 22
#include <cstdio>
#include <mutex>
#include <thread>

static std::once_flag flag;
static int calls;
static thread_local int first = 5;
[[gnu::tls_model("initial-exec")]] static thread_local int second = 7;
extern thread_local int third;
[[gnu::tls_model("local-exec")]] thread_local int third = 19;
[[gnu::noinline]] static int next_first() { return ++first; }
[[gnu::noinline]] static int next_second() { return ++second; }
[[gnu::noinline]] static int next_third() { return ++third + (first - 6); }

static void say() {
    int one = next_first(), two = next_second();
    std::printf("%d %d %d\n", one, two, next_third());
}

int main() {
    auto once = [] { std::call_once(flag, [] { ++calls; }); };
    once();
    std::thread(once).join();
    std::printf("%d of 2 threads\n", calls);
    std::thread(say).join();
    next_first(), next_second(), next_third();
    say();
}
