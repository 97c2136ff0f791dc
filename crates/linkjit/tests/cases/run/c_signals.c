// Signal handlers, also on an alternate stack; raise, sigsetjmp.
// flags: -O2 -fPIC
// flags: -O0 -fno-pic
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t count;
static sigjmp_buf environment;
static void count_signal(int signal) { count += signal; }
static void segfault(int signal, siginfo_t *info, void *context) {
    (void)context;
    siglongjmp(environment, info->si_addr == (void *)16 ? signal : -1);
}
int main(void) {
    signal(SIGUSR1, count_signal);
    raise(SIGUSR1);
    printf("%d\n", count == SIGUSR1);
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = segfault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, 0);
    int jumped = sigsetjmp(environment, 1);
    if (!jumped) *(volatile int *)16 = 1;
    printf("%d\n", jumped == SIGSEGV);
}
