// User contexts: linked code on stacks of its own; pthread_atfork; a process group of handlers.
// flags: -O1 -fPIC
// flags: -O0 -fno-pic
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static ucontext_t main_context, other_context;
static int steps;
static void other(int a, int b) {
    for (int i = 0; i < 3; i++) {
        steps += a * b;
        swapcontext(&other_context, &main_context);
    }
}
static void before(void) { puts("before fork"); fflush(stdout); }
static void in_parent(void) { puts("parent"); }
static void in_child(void) { puts("child"); }

int main(void) {
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = malloc(1 << 16);
    other_context.uc_stack.ss_size = 1 << 16;
    other_context.uc_link = &main_context;
    makecontext(&other_context, (void (*)(void))other, 2, 3, 4);
    for (int i = 0; i < 3; i++) {
        swapcontext(&main_context, &other_context);
        printf("%d\n", steps);
    }
    pthread_atfork(before, in_parent, in_child);
    pid_t child = fork();
    if (child == 0) exit(0);
    waitpid(child, 0, 0);
}
