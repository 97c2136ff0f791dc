// Forced unwinding: pthread_exit and pthread_cancel run cleanups of linked frames.
// flags: -O2 -fPIC -fexceptions
// flags: -O0 -fexceptions
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void cleanup_variable(int *n) { printf("cleanup %d\n", *n); }
static void cleanup_handler(void *text) { printf("handler %s\n", (char *)text); }
static void *leave(void *argument) {
    __attribute__((cleanup(cleanup_variable))) int n = 1;
    pthread_cleanup_push(cleanup_handler, "exit");
    pthread_exit(argument);
    pthread_cleanup_pop(0);
}
static void *wait(void *argument) {
    __attribute__((cleanup(cleanup_variable))) int n = 2;
    pthread_cleanup_push(cleanup_handler, "cancel");
    for (;;) pause();
    pthread_cleanup_pop(0);
    return argument;
}
int main(void) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, leave, "result");
    pthread_join(thread, &result);
    puts(result);
    pthread_create(&thread, 0, wait, 0);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("%d\n", result == PTHREAD_CANCELED);
}
