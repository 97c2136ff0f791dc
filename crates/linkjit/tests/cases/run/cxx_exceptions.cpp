// Exceptions thrown in one object and caught in another, through frames of a third and of libc.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fPIC -ffunction-sections
// flags: -O1 -fno-pic
// flags: -O2 -fno-plt -fPIC
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

struct Problem : std::runtime_error {
    int code;
    Problem(int code, const std::string &what) : std::runtime_error(what), code(code) {}
};
struct Cleanup {
    const char *name;
    ~Cleanup() { std::printf("cleanup %s\n", name); }
};

[[noreturn]] void throw_problem(int code);
void through(void (*f)(int), int code);
int compare_and_throw(const void *a, const void *b);
std::exception_ptr capture(int code);

static void nested(int code) {
    Cleanup cleanup{"nested"};
    throw_problem(code);
}

int main() {
    try {
        Cleanup cleanup{"main"};
        through(nested, 3);
    } catch (const Problem &problem) {
        std::printf("caught %d: %s\n", problem.code, problem.what());
    }
    try {
        int numbers[] = {3, 1, 2};
        std::qsort(numbers, 3, sizeof(int), compare_and_throw);
    } catch (const char *text) {
        std::printf("through qsort: %s\n", text);
    }
    try {
        try {
            throw_problem(8);
        } catch (std::exception &) {
            std::puts("rethrow");
            throw;
        }
    } catch (Problem &problem) {
        std::printf("again %d\n", problem.code);
    }
    std::exception_ptr kept = capture(9);
    try {
        std::rethrow_exception(kept);
    } catch (const std::exception &e) {
        std::printf("kept: %s\n", e.what());
    }
    try {
        try {
            throw_problem(10);
        } catch (...) {
            std::throw_with_nested(std::logic_error("outer"));
        }
    } catch (const std::logic_error &e) {
        std::printf("%s\n", e.what());
        try {
            std::rethrow_if_nested(e);
        } catch (const Problem &problem) {
            std::printf("inner %d\n", problem.code);
        }
    }
    for (int i = 0; i < 3; i++) {
        try {
            through(nested, i);
        } catch (const Problem &problem) {
            if (problem.code != i) std::abort();
        }
    }
    return std::uncaught_exceptions();
}
