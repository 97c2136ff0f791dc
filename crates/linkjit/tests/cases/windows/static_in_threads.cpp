// Eight threads come by the same static variables of functions at once; an exception leaves one for the next who tries.
// compilers: msvc
// flags: -O0
// flags: -O2
// expect: made 1 times, seen 8000 times
// expect: tried 3 times: 42
#include "crt.h"
extern "C" __declspec(dllimport) void Sleep(unsigned long);
static long made, seen, tried;
struct Slow {
    int n = 7;
    Slow() { Sleep(30); __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST); n = 8; }
};
static Slow &slow() {
    static Slow slow;
    return slow;
}
static unsigned long body(void *) {
    for (int i = 0; i < 1000; i++)
        if (slow().n == 8) __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static int throws_twice() {
    if (++tried < 3) throw tried;
    return 42;
}
static int value() {
    static int value = throws_twice();
    return value;
}
int main() {
    void *threads[8];
    for (auto &thread : threads) thread = CreateThread(0, 0, body, 0, 0, 0);
    for (auto thread : threads) WaitForSingleObject(thread, 0xffffffff);
    printf("made %d times, seen %d times\n", (int)made, (int)seen);
    int result = 0;
    for (int i = 0; i < 5; i++) {
        try {
            result = value();
        } catch (long) {
        }
    }
    printf("tried %d times: %d\n", (int)tried, result);
}
