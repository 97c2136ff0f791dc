// Destructors of pthread keys, detached threads that are alive at exit, stacks of threads.
// flags: -O2 -fPIC
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void destroy(void *value) {
    printf("destroy %s\n", (char *)value);
    free(value);
}
static void make_key(void) { pthread_key_create(&key, destroy); }
static void *work(void *argument) {
    pthread_once(&once, make_key);
    char *text = malloc(20);
    snprintf(text, 20, "value %ld", (long)argument);
    pthread_setspecific(key, text);
    return 0;
}
static void *forever(void *argument) {
    for (;;) pause();
    return argument;
}
int main(void) {
    for (long n = 0; n < 3; n++) {
        pthread_t thread;
        pthread_create(&thread, 0, work, (void *)n);
        pthread_join(thread, 0);
    }
    pthread_t thread;
    pthread_create(&thread, 0, forever, 0);
    pthread_detach(thread);
    return 4;
}
