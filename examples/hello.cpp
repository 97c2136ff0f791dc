#include <iostream>
#include <stdexcept>
#include <string>

static std::string greeting(const std::string &name) {
    if (name.empty())
        throw std::invalid_argument("nobody to greet");
    return "Hello, " + name + "!";
}

int main(int argc, char **argv) {
    try {
        std::cout << greeting(argc > 1 ? argv[1] : "world") << '\n';
        std::cout << greeting("") << '\n';
    } catch (const std::invalid_argument &error) {
        std::cout << "caught: " << error.what() << '\n';
    }
}
