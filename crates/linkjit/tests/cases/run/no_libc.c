// Code that defines what the C library defines, too: its own definitions win, in it.
// flags: -O2 -fPIC -fno-builtin
// flags: -O0 -fno-pic -fno-builtin
#include <stdio.h>

char *strdup(const char *text) {
    (void)text;
    return "my own strdup";
}
int getpid(void) { return 12345; }
int main(void) { printf("%s %d\n", strdup("text"), getpid()); }
