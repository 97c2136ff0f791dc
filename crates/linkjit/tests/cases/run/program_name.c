// What the C library calls the program, whichever way its variables are referred to; the environment that initializers
// change is what main gets.
// flags: -O2
// flags: -O2 -fno-pic
// flags: -O2 -fPIC
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char *__progname, *__progname_full;
extern char **environ;

__attribute__((constructor)) static void change(void) {
    setenv("SET_BY_INITIALIZER", "yes", 1);
    unsetenv("HOME");
}

int main(int argc, char **argv, char **envp) {
    (void)argc;
    printf("%s %s\n", program_invocation_name, program_invocation_short_name);
    printf("%s %s\n", __progname, __progname_full);
    printf("%d\n", strcmp(argv[0], program_invocation_name));
    printf("%s %d\n", getenv("SET_BY_INITIALIZER"), getenv("HOME") == NULL);
    int found = 0;
    for (char **variable = envp; *variable; variable++) found += !strncmp(*variable, "SET_BY_INITIALIZER=", 19);
    printf("%d %d\n", found, envp == environ);
    fflush(stdout);
    // A child sees what this process sees.
    return system("echo $SET_BY_INITIALIZER ${HOME-none}");
}
