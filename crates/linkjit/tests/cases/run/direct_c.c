// Variables and functions of the C library, referred to without a table, from below 2 GiB: the companion's addresses
// have 32 bits.
// flags: -O0 -fno-pic
// flags: -O2 -fno-pic
// flags: -O2 -fno-pie -mcmodel=small
// flags: -O0 -fPIE
// flags: -O2 -fPIE
// flags: -O2 -fPIC
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ, **__environ;
typedef int (*Compare)(const char *, const char *);
extern Compare table[];
Compare other_address(void);
FILE **other_stdout(void);
int other_optind(void);

static Compare initialized = &strcmp;
static FILE **initialized_stdout = &stdout;
static Compare chosen = &strcmp;

static int compare(const void *a, const void *b) { return chosen(*(char **)a, *(char **)b); }

int main(int argc, char **argv) {
    fprintf(stdout, "%d argument\n", argc);
    fprintf(stderr, "on standard error\n");
    printf("%d %d\n", initialized_stdout == &stdout, other_stdout() == &stdout);

    char *words[] = {"program", "-a", "--long", "7", "rest", NULL};
    struct option options[] = {{"long", 1, NULL, 'l'}, {NULL, 0, NULL, 0}};
    for (int round = 0; round < 2; round++, optind = 1)
        for (int c; (c = getopt_long(5, words, "al:", options, NULL)) != -1;)
            printf("-%c %s, next %d %d\n", c, optarg ? optarg : "", optind, other_optind());

    setenv("LINKJIT_TEST", "set", 1);
    for (char **variable = environ; *variable; variable++)
        if (!strncmp(*variable, "LINKJIT_TEST=", 13)) puts(*variable);
    static char *replaced[] = {"LINKJIT_TEST=replaced", NULL};
    environ = replaced;
    puts(getenv("LINKJIT_TEST"));
    printf("%d\n", __environ == replaced);

    char *letters[] = {"c", "a", "b"};
    qsort(letters, 3, sizeof *letters, compare);
    printf("%s%s%s\n", letters[0], letters[1], letters[2]);
    Compare volatile address = strcmp;
    printf("%d %d %d %d\n", address == initialized, address == table[0], address == other_address(),
           address("a", "a"));
    FILE *old = stdout;
    stdout = stderr;
    puts("not on standard output");
    stdout = old;
    puts("on it again");
    return 0;
}
