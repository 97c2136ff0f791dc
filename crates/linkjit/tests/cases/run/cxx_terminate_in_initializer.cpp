// An exception that leaves an initializer ends the program.
// flags: -O1 -fPIC
#include <cstdio>
#include <cstdlib>
#include <exception>

static int throws() {
    std::set_terminate([] {
        std::puts("terminate");
        std::exit(6);
    });
    throw 5;
}
static int value = throws();
int main() { return value; }
