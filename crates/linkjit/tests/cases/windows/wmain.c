// compilers: msvc
// run-args: one two
// expect: wmain 3 ot 1
#include "crt.h"
int wmain(int argc, unsigned short **argv, unsigned short **environment) {
    printf("wmain %d %c%c %d\n", argc, argv[1][0], argv[2][0], environment && environment[0]);
    return 0;
}
