// Replaced operator new and delete, counted.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

static int allocated, freed;
void *operator new(std::size_t size) {
    allocated++;
    if (void *memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void *memory) noexcept {
    freed++;
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept { operator delete(memory); }

struct alignas(64) Wide {
    char bytes[64];
};
int main() {
    {
        auto number = std::make_unique<int>(5);
        auto shared = std::make_shared<int>(*number);
        volatile int *escape = number.get();
        (void)*escape;
        auto wide = std::make_unique<Wide>();
        std::printf("%d\n", static_cast<int>(reinterpret_cast<std::size_t>(wide.get()) % 64));
    }
    std::printf("%d %d\n", allocated, freed);
    try {
        volatile std::size_t huge = static_cast<std::size_t>(-1) / 2;
        delete[] new char[huge];
    } catch (const std::bad_alloc &) {
        std::puts("bad_alloc");
    }
}
