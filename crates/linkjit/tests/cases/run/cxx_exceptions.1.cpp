#include <exception>
#include <stdexcept>
#include <string>

struct Problem : std::runtime_error {
    int code;
    Problem(int code, const std::string &what) : std::runtime_error(what), code(code) {}
};

[[noreturn]] void throw_problem(int code) { throw Problem(code, "problem " + std::to_string(code)); }

std::exception_ptr capture(int code) {
    try {
        throw_problem(code);
    } catch (...) {
        return std::current_exception();
    }
}
