// Functions that are called for the first time on small stacks: of threads, of coroutines, of signal handlers, one of which
// another interrupts on the same stack.
// flags: -O1 -fPIC
// expect: thread 42
// expect: coroutine 43
// expect: inner 2
// expect: outer 44, its frame 99
// expect: again 45
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

static char reply[200];
static int length;
static void say(const char *what, int number) { length += sprintf(reply + length, "%s %d", what, number); }

static int of_thread(int n) { return n + 1; }
static void *work(void *argument) {
    say("thread", of_thread(*(int *)argument));
    return argument;
}

static ucontext_t before, inside;
static int of_coroutine(int n) { return n + 2; }
static void coroutine(void) { say("\ncoroutine", of_coroutine(41)); }

// Its handler is interrupted by another on the same stack.
static int of_inner(int n) { return n - 10; }
static void inner(int signal) {
    (void)signal;
    volatile char frame[2000] = {0};
    say("\ninner", of_inner(12) + frame[1000]);
}
static int of_outer(int n) { return n + 3; }
static void outer(int signal) {
    (void)signal;
    volatile char frame[2000] = {[1000] = 99};
    kill(getpid(), SIGUSR2);
    int found = of_outer(41);
    say("\nouter", found);
    say(", its frame", frame[1000]);
}
static int of_again(int n) { return n + 4; }
static void again(int signal) {
    (void)signal;
    say("\nagain", of_again(41));
}

int main(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 16);
    pthread_t thread;
    int number = 41;
    if (pthread_create(&thread, &attributes, work, &number)) return 1;
    pthread_join(thread, 0);

    getcontext(&inside);
    inside.uc_stack.ss_sp = malloc(1 << 14);
    inside.uc_stack.ss_size = 1 << 14;
    inside.uc_link = &before;
    makecontext(&inside, coroutine, 0);
    swapcontext(&before, &inside);

    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, 0);
    const struct sigaction actions[] = {{.sa_handler = outer, .sa_flags = SA_ONSTACK},
                                        {.sa_handler = inner, .sa_flags = SA_ONSTACK},
                                        {.sa_handler = again, .sa_flags = SA_ONSTACK}};
    sigaction(SIGUSR1, &actions[0], 0);
    sigaction(SIGUSR2, &actions[1], 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &actions[2], 0);
    raise(SIGUSR1);
    puts(reply);
    return 0;
}
