// fork: the child runs the linked code as well, and its exit functions.
// flags: -O2 -fPIC
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Thread_local int local = 4;
static void at_exit(void) { printf("exit of %s\n", local == 5 ? "child" : "parent"); }
int main(void) {
    atexit(at_exit);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        local++;
        printf("child %d\n", local);
        exit(9);
    }
    int status;
    waitpid(child, &status, 0);
    printf("parent: child exited with %d, local %d\n", WEXITSTATUS(status), local);
    fflush(stdout);
    execlp("echo", "echo", "exec", "works", (char *)0);
    return 1;
}
