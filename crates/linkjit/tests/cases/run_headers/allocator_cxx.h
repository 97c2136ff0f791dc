// What a C++ program does with memory of the C++ library's own functions, and that with the program's.
#include <algorithm>
#include <codecvt>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <list>
#include <locale>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static std::string long_text(int n) { return std::string(100 + n, 'x') + std::to_string(n); }

struct Wide {
    alignas(128) char bytes[300];
};

struct Base {
    virtual ~Base() = default;
    virtual int value() const = 0;
};
struct Derived : Base {
    std::string text = long_text(9);
    int value() const override { return static_cast<int>(text.size()); }
};

static std::string of_the_program = long_text(77);
struct AtEnd {
    std::vector<std::string> texts{long_text(1), long_text(2)};
    ~AtEnd() { std::cout << "at end " << texts[1].size() << std::endl; }
} at_end;

int main() {
    std::cout << of_the_program.size() << '\n';
    // Out-of-line code of the library works on strings of the program's inline code.
    std::string text = "short";
    for (int i = 0; i < 20; i++) text.append(long_text(i)).insert(3, "abc").replace(1, 2, long_text(i));
    text.reserve(10000);
    text.shrink_to_fit();
    std::cout << text.size() << '\n';
    std::ostringstream out;
    for (int i = 0; i < 1000; i++) out << i << ' ' << 1.5 * i << '\n';
    std::istringstream in(std::move(out).str());
    std::string line;
    int lines = 0;
    while (std::getline(in, line)) lines++;
    std::cout << lines << '\n';
    std::map<std::string, std::vector<int>> map;
    std::unordered_map<int, std::string> hashed;
    std::list<std::wstring> list;
    for (int i = 0; i < 300; i++) {
        map[long_text(i % 50)].push_back(i);
        hashed[i] = long_text(i);
        list.push_back(std::wstring(i, L'w'));
    }
    list.sort();
    std::cout << map.size() << ' ' << hashed.size() << ' ' << list.back().size() << '\n';
    for (int i = 0; i < 50; i++) {
        try {
            if (i % 2) throw std::runtime_error(long_text(i));
            std::vector<int>().at(i);
        } catch (const std::out_of_range &error) {
            if (!i) std::cout << error.what() << '\n';
        } catch (const std::exception &error) {
            if (i == 1) std::cout << std::string(error.what()).size() << '\n';
        }
    }
    std::exception_ptr kept;
    try {
        throw std::system_error(std::make_error_code(std::errc::timed_out), long_text(3));
    } catch (...) {
        kept = std::current_exception();
    }
    try {
        std::rethrow_exception(kept);
    } catch (const std::system_error &error) {
        std::cout << error.code().value() << '\n';
    }
    kept = nullptr;
    std::unique_ptr<Base> base = std::make_unique<Derived>();
    std::cout << base->value() << '\n';
    auto shared = std::make_shared<Wide>();
    std::unique_ptr<Wide[]> many(new Wide[5]);
    std::cout << reinterpret_cast<std::size_t>(shared.get()) % 128 << reinterpret_cast<std::size_t>(&many[1]) % 128 << '\n';
    int *nothing = new (std::nothrow) int(4);
    std::cout << *nothing << '\n';
    operator delete(nothing, std::nothrow);
    std::vector<std::thread> threads;
    std::vector<std::string> results(4);
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&results, i, big = long_text(i)] {
            for (int k = 0; k < 200; k++) results[i] = big + std::to_string(k);
        });
    for (auto &thread : threads) thread.join();
    std::cout << results[3].size() << '\n';
    auto later = std::async(std::launch::async, [] { return long_text(5); });
    std::cout << later.get().size() << '\n';
    std::function<int(int)> function = [big = long_text(1)](int i) { return i + static_cast<int>(big.size()); };
    std::cout << function(1) << '\n';
    std::regex expression("(a|b)*c([0-9]+)");
    std::smatch match;
    std::string subject = "ababc123";
    std::cout << std::regex_match(subject, match, expression) << match[2] << '\n';
    std::locale locale(std::locale::classic(), new std::codecvt_utf8<wchar_t>);
    std::locale::global(locale);
    std::locale::global(std::locale::classic());
    std::filesystem::path path = std::filesystem::temp_directory_path() / "a" / long_text(1);
    std::cout << path.filename().string().size() << '\n';
    int entries = 0;
    for (const auto &entry : std::filesystem::directory_iterator("/")) entries += !entry.path().empty();
    std::cout << (entries > 0) << '\n';
    std::ifstream file("/proc/self/status");
    std::getline(file, line);
    std::cout << !line.empty() << '\n';
    std::pmr::monotonic_buffer_resource resource;
    std::pmr::vector<std::pmr::string> pooled(&resource);
    for (int i = 0; i < 100; i++) pooled.emplace_back(long_text(i).c_str());
    std::cout << pooled.size() << '\n';
    auto *buffer = std::get_temporary_buffer<int>(1000).first;
    std::return_temporary_buffer(buffer);
    std::vector<int> numbers(5000);
    for (int i = 0; i < 5000; i++) numbers[i] = i * 7919 % 5003;
    std::stable_sort(numbers.begin(), numbers.end());
    std::cout << std::is_sorted(numbers.begin(), numbers.end()) << std::endl;
    return 5;
}
