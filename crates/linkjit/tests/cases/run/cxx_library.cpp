// regex, filesystem, locale, random, chrono, functional, variant, any, ranges: much code in many COMDAT groups.
// flags: -O2 -fPIC -std=c++20
// flags: -O0 -fPIE -std=c++20 -ffunction-sections
#include <algorithm>
#include <any>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <locale>
#include <memory_resource>
#include <optional>
#include <random>
#include <ranges>
#include <regex>
#include <set>
#include <string>
#include <variant>

namespace fs = std::filesystem;

int main() {
    std::regex pattern(R"((\w+)@(\w+)\.(com|org))");
    std::string text = "write to someone@example.org or other@test.com";
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
        std::cout << (*it)[1] << " at " << (*it)[2] << '\n';
    try {
        std::regex bad("(unclosed");
    } catch (const std::regex_error &) {
        std::cout << "regex_error\n";
    }
    fs::path directory = fs::temp_directory_path() / ("linkjit-test-" + std::to_string(std::random_device{}()));
    fs::create_directories(directory / "a" / "b");
    std::ofstream(directory / "a" / "file.txt") << "content\n";
    std::set<std::string> names;
    for (const auto &entry : fs::recursive_directory_iterator(directory))
        names.insert(fs::relative(entry.path(), directory).string());
    for (const auto &name : names) std::cout << name << '\n';
    std::cout << fs::file_size(directory / "a" / "file.txt") << ' ' << fs::remove_all(directory) << '\n';
    std::error_code error;
    fs::file_size("/does/not/exist", error);
    std::cout << (error == std::errc::no_such_file_or_directory) << '\n';
    try {
        fs::file_size("/does/not/exist");
    } catch (const fs::filesystem_error &e) {
        std::cout << "filesystem_error " << e.path1() << '\n';
    }
    struct Punctuation : std::numpunct<char> {
        char do_thousands_sep() const override { return '\''; }
        std::string do_grouping() const override { return "\3"; }
    };
    std::ostringstream out;
    out.imbue(std::locale(std::locale::classic(), new Punctuation));
    out << 1234567 << ' ' << std::use_facet<std::ctype<char>>(out.getloc()).toupper('x');
    std::cout << out.str() << '\n';
    std::mt19937 random(42);
    std::cout << random() << ' ' << std::uniform_int_distribution(1, 6)(random) << '\n';
    std::variant<int, std::string> variant = "text";
    std::visit([](const auto &value) { std::cout << value << '\n'; }, variant);
    try {
        (void)std::get<int>(variant);
    } catch (const std::bad_variant_access &) {
        std::cout << "bad_variant_access\n";
    }
    std::any any = 3.5;
    std::cout << std::any_cast<double>(any) << ' ' << (std::any_cast<int>(&any) == nullptr) << '\n';
    std::function<int(int)> factorial = [&](int n) { return n < 2 ? 1 : n * factorial(n - 1); };
    std::cout << factorial(10) << '\n';
    for (int n : std::views::iota(1, 20) | std::views::filter([](int n) { return n % 3 == 0; })) std::cout << n << ' ';
    std::pmr::monotonic_buffer_resource buffer;
    std::pmr::string pooled("pooled", &buffer);
    double parsed = 0;
    std::string number = "2.718";
    std::from_chars(number.data(), number.data() + number.size(), parsed);
    std::cout << '\n' << pooled << ' ' << parsed << '\n';
    std::cout << (std::chrono::steady_clock::now().time_since_epoch().count() > 0) << '\n';
    std::wcout << L"wide" << std::endl;
}
