// All forms of the operators, counted by form; deletes with and without a size are one, as the library's inline functions
// may be the library's or the program's. An aligned one has its own memory.
// flags: -O0 -std=c++17
// flags: -O2 -std=c++20 -fPIC
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <memory_resource>
#include <new>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

static long counts[20];
static void *plain(int form, std::size_t size) {
    counts[form]++;
    void *memory = std::malloc(size ? size : 1);
    if (!memory) throw std::bad_alloc();
    return memory;
}
static void *aligned(int form, std::size_t size, std::align_val_t align) {
    counts[form]++;
    auto to = static_cast<std::size_t>(align);
    return std::aligned_alloc(to, (size + to - 1) / to * to);
}
static void release(int form, void *memory) {
    counts[form]++;
    std::free(memory);
}
void *operator new(std::size_t n) { return plain(0, n); }
void *operator new[](std::size_t n) { return plain(1, n); }
void *operator new(std::size_t n, const std::nothrow_t &) noexcept { return plain(2, n); }
void *operator new[](std::size_t n, const std::nothrow_t &) noexcept { return plain(3, n); }
void *operator new(std::size_t n, std::align_val_t a) { return aligned(4, n, a); }
void *operator new[](std::size_t n, std::align_val_t a) { return aligned(5, n, a); }
void *operator new(std::size_t n, std::align_val_t a, const std::nothrow_t &) noexcept { return aligned(6, n, a); }
void *operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t &) noexcept { return aligned(7, n, a); }
void operator delete(void *p) noexcept { release(8, p); }
void operator delete[](void *p) noexcept { release(9, p); }
void operator delete(void *p, std::size_t) noexcept { release(10, p); }
void operator delete[](void *p, std::size_t) noexcept { release(11, p); }
void operator delete(void *p, const std::nothrow_t &) noexcept { release(12, p); }
void operator delete[](void *p, const std::nothrow_t &) noexcept { release(13, p); }
void operator delete(void *p, std::align_val_t) noexcept { release(14, p); }
void operator delete[](void *p, std::align_val_t) noexcept { release(15, p); }
void operator delete(void *p, std::size_t, std::align_val_t) noexcept { release(16, p); }
void operator delete[](void *p, std::size_t, std::align_val_t) noexcept { release(17, p); }
void operator delete(void *p, std::align_val_t, const std::nothrow_t &) noexcept { release(18, p); }
void operator delete[](void *p, std::align_val_t, const std::nothrow_t &) noexcept { release(19, p); }

static void show(const char *what) {
    std::printf("%s:", what);
    for (auto [sized, plain] : {std::pair{10, 8}, {11, 9}, {16, 14}, {17, 15}}) {
        counts[plain] += counts[sized];
        counts[sized] = 0;
    }
    for (auto &count : counts) {
        std::printf(" %ld", count);
        count = 0;
    }
    std::puts("");
}

struct alignas(256) Wide {
    char bytes[256];
};
template <class T> static void escape(T *pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

int main() {
    setvbuf(stdout, nullptr, _IONBF, 0);
    show("begin");
    auto *one = new int, *many = new int[10];
    escape(one), escape(many);
    delete one;
    delete[] many;
    auto *wide = new Wide;
    auto *wides = new Wide[3];
    escape(wide), escape(wides);
    delete wide;
    delete[] wides;
    escape(one = new (std::nothrow) int);
    delete one;
    escape(wide = new (std::nothrow) Wide);
    delete wide;
    show("own");
    std::string text(1000, 'x');
    text.append(2000, 'y');
    text.assign("short");
    text.shrink_to_fit();
    show("string");
    {
        std::ostringstream out;
        out << text << 1.5 << std::string(5000, 'z');
        text = out.str();
    }
    show("stream");
    {
        std::pmr::vector<Wide> vector(std::pmr::new_delete_resource());
        vector.resize(3);
        vector.resize(30);
    }
    show("resource");
    std::cout << text.size() << std::endl;
}
