// Compact relocations, which GNU ld does not know.
// compilers: clang-19
// flags: -O1 -fPIC -Wa,--crel,--allow-experimental-crel
// native: no
// expect: three 6
#include <stdio.h>

static const char *const names[] = {"one", "two", "three"};
static int (*const functions[])(const char *) = {puts, puts};
int main(int argc, char **argv) { return printf("%s %d\n", names[argc + 1], (functions[0] == functions[1]) * 6) != 8; }
