// Thread-local variables that the compilers' library has.
// compilers: clang-19
// flags: -O2 -femulated-tls -fPIC
// flags: -O0 -femulated-tls -fno-pic
// expect: 9 6
#include <pthread.h>
#include <stdio.h>

__thread int variable = 5;

static void *run(void *argument) {
    (void)argument;
    variable++;
    return (void *)(long)variable;
}

int main(void) {
    pthread_t thread;
    void *result;
    variable = 9;
    pthread_create(&thread, 0, run, 0);
    pthread_join(thread, &result);
    printf("%d %ld\n", variable, (long)result);
    return 0;
}
