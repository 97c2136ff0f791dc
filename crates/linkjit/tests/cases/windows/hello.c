// compilers: msvc
// expect: hello from an object
// expect: 2 arguments
// run-args: one
#include "crt.h"
int main(int argc, char **argv) {
    puts("hello from an object");
    printf("%d arguments\n", argc);
    return argv[argc] == 0 ? 0 : 1;
}
