// A program that changes its title overwrites its arguments and its environment, which it has copied before.
// flags: -O2
// flags: -O2 -fno-pic
// run-args: a bc def
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static char *title, *end;

__attribute__((constructor)) static void prepare(int argc, char **argv, char **envp) {
    title = end = argv[0];
    for (int i = 0; i < argc; i++) {
        if (argv[i] == end) end = argv[i] + strlen(argv[i]) + 1;
    }
    int count = 0;
    for (; envp[count]; count++) {
        if (envp[count] == end) end = envp[count] + strlen(envp[count]) + 1;
    }
    char **copy = calloc(count + 1, sizeof *copy);
    for (int i = 0; i < count; i++) copy[i] = strdup(envp[i]);
    environ = copy;
}

int main(int argc, char **argv, char **envp) {
    char *path = strdup(getenv("PATH"));
    printf("%d arguments, more than those are mine: %d\n", argc, end - title > 200);
    memset(title, 'x', end - title);
    snprintf(title, end - title, "working: %0200d", 7);
    printf("%.20s %d, path kept %d, envp is environ %d\n", argv[0], (int)strlen(title), strcmp(path, getenv("PATH")) == 0,
           envp == environ);
    setenv("NEW", "value", 1);
    printf("%s\n", getenv("NEW"));
    return 0;
}
