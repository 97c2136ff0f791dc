// Nobody catches it: the program ends by `terminate`, with the stack still there.
// compilers: msvc
// flags: -O0
// flags: -O2
// options:
// options: --lazy
// exit: 5
// expect: terminate
#include "crt.h"
extern "C" void _exit(int);
extern "C" int fflush(void *);
extern "C" void (*set_terminate(void (*)()))();
struct Local {
    ~Local() { printf("destroyed\n"); }
};
void ended() {
    printf("terminate\n");
    fflush(0);
    _exit(5);
}
int main() {
    set_terminate(ended);
    Local local;
    throw 1;
}
