// Thread-local variables of a fixed place in several objects, with all alignments, initialized by address.
// flags: -O1 -fPIE
// flags: -O1 -fno-pic
// flags: -O1 -fPIC -ftls-model=initial-exec -fcommon
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

extern _Thread_local char c1, c2;
extern _Thread_local _Alignas(128) long wide;
extern _Thread_local const char *text;
static _Thread_local int *own = 0;
static int target = 31;
static _Thread_local int *to_target = &target;
static _Thread_local const char *words[] = {"alpha", "beta"};
int check(void);

static void *work(void *argument) {
    c1++;
    wide += 5;
    own = &target;
    printf("%c %c %ld %s %d %s %d %d\n", c1, c2, wide, text, *to_target, words[1], (int)((uintptr_t)&wide % 128), check());
    return argument;
}
int main(void) {
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, 0, work, 0);
        pthread_join(thread, 0);
    }
    work(0);
    return own != &target;
}
