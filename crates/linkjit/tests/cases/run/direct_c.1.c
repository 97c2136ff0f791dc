// flags: -fno-pic
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int (*Compare)(const char *, const char *);
Compare table[] = {&strcmp};
Compare other_address(void) { return table[1 - strlen("x")]; }
FILE **other_stdout(void) { return &stdout; }
int other_optind(void) { return optind; }
