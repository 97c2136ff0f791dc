// compilers: msvc
// flags: -O0
// flags: -O2
// expect: made 1
// expect: main 5 0 aligned
// expect: made 2
// expect: thread 5 0 aligned 20
// expect: destroyed 20
// expect: made 3
// expect: thread 5 0 aligned 30
// expect: destroyed 30
// expect: main 7 3
// expect: destroyed 10
#include "crt.h"
__declspec(thread) int initialized = 5;
__declspec(thread) int zero;
alignas(16) thread_local char aligned[32] = "aligned";
static int made;
struct Object {
    int n;
    Object() : n(++made * 10) { printf("made %d\n", made); }
    ~Object() { printf("destroyed %d\n", n); }
};
thread_local Object object;
unsigned long body(void *) {
    int n = object.n;
    printf("thread %d %d %s %d\n", initialized, zero, (unsigned long long)aligned % 16 ? "not aligned" : aligned, n);
    initialized = 9;
    return 0;
}
int main() {
    printf("main %d %d %s\n", initialized, zero, aligned);
    initialized = 7;
    zero = 3;
    run_thread(body, 0);
    run_thread(body, 0);
    printf("main %d %d\n", initialized, zero);
}
