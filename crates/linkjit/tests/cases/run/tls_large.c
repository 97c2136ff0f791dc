// Large thread-local storage, which only the dynamic models can have.
// flags: -O1 -fPIC
// flags: -O1 -fPIC -mtls-dialect=gnu2
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char zeros[4 << 20];
_Thread_local int initialized[1 << 16] = {1, 2, 3, [65535] = 9};
static _Alignas(4096) _Thread_local char page[4096];

static void *work(void *argument) {
    memset(zeros, 1, sizeof zeros);
    int sum = 0;
    for (int i = 0; i < 1 << 16; i++) sum += initialized[i]++;
    printf("%d %d %d %s\n", zeros[(4 << 20) - 1], sum, (int)((unsigned long)page % 4096), (char *)argument);
    return 0;
}
int main(void) {
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, 0, work, "thread");
        pthread_join(thread, 0);
    }
    work("main");
}
