// Instrumented code: undefined behaviour checks and coverage counters, with the compiler's libraries.
// compilers: gcc
// libs: ubsan
// archives: libgcov.a
// flags: -O1 -fPIC -fsanitize=undefined
// flags: -O0 -fsanitize=undefined -fno-sanitize-recover
// flags: -O1 -fPIC --coverage
// flags: -O1 -fPIC -finstrument-functions
// run-args: 5
#include <stdio.h>
#include <stdlib.h>

static int calls;
__attribute__((no_instrument_function)) void __cyg_profile_func_enter(void *f, void *site) { calls += f && site; }
__attribute__((no_instrument_function)) void __cyg_profile_func_exit(void *f, void *site) { (void)f, (void)site; }

__attribute__((noinline)) static int shift(int n, int by) { return n << by; }
int main(int argc, char **argv) {
    int by = atoi(argv[argc - 1]);
    printf("%d\n", shift(3, by));
    fflush(stdout);
    printf("%d\n", shift(1, by * 8) != 7);
    return calls;
}
