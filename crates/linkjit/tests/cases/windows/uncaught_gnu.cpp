// As uncaught.cpp: GNU's unwinder is told that there is no handler.
// compilers: mingw
// flags: -O0
// flags: -O2
// archives: mingw-runtime
// exit: 5
// expect: terminate
#include <cstdio>
#include <cstdlib>
#include <exception>
struct Local {
    ~Local() { std::puts("destroyed"); }
};
int main() {
    std::set_terminate([] {
        std::puts("terminate");
        std::fflush(stdout);
        std::_Exit(5);
    });
    Local local;
    throw 1;
}
