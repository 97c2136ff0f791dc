// The C++ library as a static archive: its exceptions, streams, locales and thread-local state are linked, too.
// archives: libstdc++.a
// flags: -O2 -fPIC
// compilers: gcc
#include <iostream>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>

static void fail(int n) {
    if (n == 0) throw std::out_of_range("static");
    fail(n - 1);
}
int main() {
    std::map<std::string, int> words{{"b", 2}, {"a", 1}};
    for (auto &[word, n] : words) std::cout << word << n << '\n';
    try {
        fail(5);
    } catch (const std::exception &e) {
        std::cout << "caught " << e.what() << std::endl;
    }
    std::thread([] {
        try {
            (void)std::stoi("x");
        } catch (const std::invalid_argument &e) {
            std::cout << e.what() << std::endl;
        }
    }).join();
    std::cout << std::regex_match("abc123", std::regex("[a-c]+\\d+")) << ' ' << 2.5 << std::endl;
    return std::uncaught_exceptions();
}
