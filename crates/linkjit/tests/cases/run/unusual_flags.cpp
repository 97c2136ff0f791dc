// Exceptions, statics and templates, however the compiler arranges sections, debug information and relocations.
// flags: -O2 -fPIC -g3 -gz -fcf-protection=full -fstack-protector-strong
// flags: -O2 -fPIC -g -gsplit-dwarf -fno-semantic-interposition
// flags: -O2 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden
// flags: -O2 -fPIC -fpatchable-function-entry=4,2 -ffunction-sections
// flags: -Os -fPIC -fno-threadsafe-statics -fomit-frame-pointer
// flags: -Og -fPIE -fno-omit-frame-pointer -ftrapv
// flags: -O2 -fPIC -march=x86-64-v3 -ftree-vectorize -ffast-math
// flags[gcc]: -O2 -fPIC -ffat-lto-objects -flto
// flags[gcc]: -O2 -fPIC -fno-use-cxa-atexit
// flags[gcc]: -O2 -fPIC -fno-dwarf2-cfi-asm
// flags[gcc]: -O2 -fPIC -fno-reorder-blocks-and-partition -fno-gnu-unique -fno-align-functions
// flags[clang-19]: -O2 -fPIC -fbasic-block-sections=all
// flags[clang-19]: -O2 -fPIC -fno-unique-section-names -ffunction-sections
// flags[clang-19]: -O2 -fPIC -fno-direct-access-external-data -faddrsig
// flags[clang-19]: -O1 -fPIC -fexperimental-relative-c++-abi-vtables
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

struct Shape {
    virtual double area() const = 0;
    virtual ~Shape() { std::puts("gone"); }
};
template <int N> struct Polygon : Shape {
    double side = N;
    double area() const override { return side * N; }
};
static std::vector<std::string> names{"first", "second"};
static Shape *make(int n) {
    static Shape *last;
    if (n < 0) throw std::string("negative");
    last = n % 2 ? static_cast<Shape *>(new Polygon<3>) : new Polygon<4>;
    return last;
}
__attribute__((noinline, cold)) static void rarely(int n) {
    if (n > 3) throw n;
}
int main(int argc, char **) {
    for (int i = -1; i < 6; i++) {
        try {
            Shape *shape = make(i);
            std::printf("%g\n", shape->area());
            delete shape;
            rarely(i * argc);
        } catch (const std::string &text) {
            std::printf("%s\n", text.c_str());
        } catch (int n) {
            std::printf("thrown %d\n", n);
        }
    }
    std::printf("%s\n", names[1].c_str());
}
