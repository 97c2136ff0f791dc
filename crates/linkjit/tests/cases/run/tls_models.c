// Thread-local variables in every model, within an object and across objects, in this thread and in others.
// flags: -O0 -fPIC
// flags: -O2 -fPIC
// flags: -O2 -fPIC -mtls-dialect=gnu2
// flags: -O0 -fPIC -mtls-dialect=gnu2
// flags: -O2 -fPIC -fno-plt
// flags: -O2 -fPIC -ftls-model=global-dynamic
// flags: -O2 -fPIC -ftls-model=local-dynamic
// flags: -O2 -fPIC -ftls-model=initial-exec
// flags: -O2 -fPIE
// flags: -O2 -fPIE -ftls-model=local-exec
// flags: -O2 -fno-pic
// flags: -O2 -fno-pic -ftls-model=initial-exec
// flags[gcc]: -O2 -fPIC -mcmodel=large
// flags: -O2 -fPIC -fdata-sections -ffunction-sections
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

_Thread_local int exported = 10;
__attribute__((visibility("hidden"))) _Thread_local long hidden = 20;
static _Thread_local int statics[3] = {1, 2, 3};
static _Thread_local char zeros[5000];
static _Thread_local int *pointer_initialized = 0;
static _Alignas(256) _Thread_local char aligned[16] = "aligned";
extern _Thread_local int other_exported;
extern _Thread_local char other_text[20];
int *address_of_exported(void);
int bump_other(void);

static void *work(void *argument) {
    long n = (long)argument;
    exported += n;
    hidden += n;
    statics[1] += n;
    zeros[4999] += n;
    aligned[0] = 'A';
    other_exported += n;
    other_text[0] = 'T';
    errno = 77;
    long same = address_of_exported() == &exported;
    long alignment = (uintptr_t)aligned % 256;
    long sum = exported + hidden + statics[0] + statics[1] + statics[2] + zeros[4999] + other_exported + bump_other();
    if (pointer_initialized) return (void *)-1;
    pointer_initialized = &statics[0];
    static char result[4][200];
    snprintf(result[n], 200, "%ld: sum %ld same %ld alignment %ld %s %s errno %d", n, sum, same, alignment, aligned,
             other_text, errno);
    return result[n];
}

int main(void) {
    errno = 0;
    for (long n = 1; n < 4; n++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, 0, work, (void *)n);
        pthread_join(thread, &result);
        puts(result);
    }
    printf("errno %d\n", errno);
    puts(work((void *)0));
    printf("%d %ld %d %d\n", exported, hidden, statics[1], other_exported);
}
