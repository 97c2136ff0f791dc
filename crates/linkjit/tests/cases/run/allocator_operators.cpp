// Operators that are replaced alone, with a header in front of what they give, and end at foreign memory. The library's
// out-of-line code uses them, too.
// flags: -O0
// flags: -O2 -fPIC
// flags: -O2 -fno-pic -DPOOL
// flags: -O2 -std=c++17 -DSIZED
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Header {
    std::uint64_t magic, size;
};
static constexpr std::uint64_t magic = 0xfeedface12345678;
static long live, allocated;

static void *take(std::size_t size) {
#ifdef POOL
    static char pool[64 << 20];
    static std::size_t used;
    std::size_t start = __atomic_fetch_add(&used, (size + 31) / 16 * 16, __ATOMIC_RELAXED);
    return start + size < sizeof pool ? pool + start : nullptr;
#else
    return std::malloc(size);
#endif
}

void *operator new(std::size_t size) {
    auto *header = static_cast<Header *>(take(size + sizeof(Header)));
    if (!header) throw std::bad_alloc();
    *header = {magic, size};
    __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&allocated, 1, __ATOMIC_RELAXED);
    return header + 1;
}
void operator delete(void *memory) noexcept {
    if (!memory) return;
    auto *header = static_cast<Header *>(memory) - 1;
    if (header->magic != magic) {
        std::puts("foreign memory");
        std::fflush(stdout);
        std::_Exit(9);
    }
    header->magic = 0;
    __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
#ifndef POOL
    std::free(header);
#endif
}
#ifdef SIZED
static long sized;
void operator delete(void *memory, std::size_t size) noexcept {
    if (memory && (static_cast<Header *>(memory) - 1)->size != size) std::puts("wrong size");
    sized++;
    operator delete(memory);
}
#endif

static std::string text(int n) { return std::string(50 + n, 'x'); }

int main() {
    long before = live;
    long count = allocated;
    {
        std::string one = text(1);
        one.append(text(20)).insert(1, "inserted");
        one.reserve(1000);
        std::cout << one.size() << ' ' << allocated - count << '\n';
    }
    std::cout << live - before << '\n';
    count = allocated;
    {
        std::ostringstream out;
        for (int i = 0; i < 100; i++) out << i << text(i);
        std::string result = out.str();
        std::cout << result.size() << ' ' << (allocated > count) << '\n';
        std::istringstream in(result);
        std::string word;
        while (in >> word) continue;
    }
    std::cout << live - before << '\n';
    {
        std::map<std::string, std::vector<std::string>> map;
        for (int i = 0; i < 100; i++) map[text(i % 7)].push_back(text(i));
        std::cout << map.size() << '\n';
        auto shared = std::make_shared<std::map<std::string, std::vector<std::string>>>(map);
    }
    std::cout << live - before << '\n';
    try {
        throw std::runtime_error(text(9));
    } catch (const std::exception &error) {
        std::cout << std::strlen(error.what()) << '\n';
    }
    std::cout << live - before << '\n';
    {
        // Of the library's other operators, which use these.
        auto numbers = std::make_unique<int[]>(100);
        int *quiet = new (std::nothrow) int[10];
        delete[] quiet;
    }
    std::cout << live - before << '\n';
    std::thread([] { std::cout << text(3).size() << '\n'; }).join();
    std::cout << live - before << '\n';
    auto *file = std::fopen("/proc/self/status", "r");
    char *line = nullptr;
    std::size_t size = 0;
    while (getline(&line, &size, file) > 0) continue;
    std::free(line);
    std::fclose(file);
    std::cout << "done" << std::endl;
}
