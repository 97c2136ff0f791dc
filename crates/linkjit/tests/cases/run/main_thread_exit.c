// pthread_exit in main: the other threads go on, and the last one ends the process.
// flags: -O2 -fPIC
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *work(void *argument) {
    usleep(20000);
    puts("still here");
    return argument;
}
static void at_exit(void) { puts("atexit"); }
int atexit(void (*)(void));
int main(void) {
    pthread_t thread;
    atexit(at_exit);
    pthread_create(&thread, 0, work, 0);
    pthread_exit(0);
}
