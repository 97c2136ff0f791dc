// An exception that nobody catches ends the program by std::terminate, hence SIGABRT.
// flags: -O2 -fPIC
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

int main() {
    std::set_terminate([] {
        std::puts("terminate");
        std::fflush(stdout);
        std::abort();
    });
    throw std::runtime_error("nobody catches this");
}
