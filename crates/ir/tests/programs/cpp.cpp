// The language C++: vague linkage, COMDAT groups, virtual tables, exceptions, initializers.
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {
struct Shape {
    virtual ~Shape() { std::puts("~Shape"); }
    virtual int area() const = 0;
};
struct Square : Shape {
    int side;
    explicit Square(int side) : side(side) {}
    int area() const override { return side * side; }
};
struct Loud {
    const char *name;
    explicit Loud(const char *name) : name(name) { std::printf("+%s\n", name); }
    ~Loud() { std::printf("-%s\n", name); }
};
Loud at_start("static");
thread_local Loud of_thread("thread");
int hidden = 3;
}

struct Mixin { virtual int mixed() { return 5; } int value = 2; };
struct Both : Mixin, virtual Square {
    Both() : Square(7) {}
    int area() const override { return side + 1; }
    int mixed() override { return area() + value; }
};

template <class T> struct Holder {
    static T value;
    static inline int count = 10;
    __attribute__((noinline)) T next() { ++count; return value++; }
};
template <class T> T Holder<T>::value = T(42);

inline int &counter() { static int count = 5; return count; }
inline Loud &lazily() { static Loud once("once"); return once; }
static int risky(int x) {
    Loud guard("guard");
    if (x > 3) throw std::runtime_error("too large: " + std::to_string(x));
    if (x == 3) throw x;
    return x + hidden;
}

enum class Color { red, green };
union Bits { float f; unsigned u; };
auto twice = [](auto x) { return x + x; };
struct Big { long a[6]; };
__attribute__((noinline)) Big make(int x) { return Big{{x, x + 1, x + 2}}; }
constexpr int squares[] = {0, 1, 4, 9, 16};
int Mixin::*member = &Mixin::value;
int (Mixin::*method)() = &Mixin::mixed;

int main(int argc, char **) {
    Square square(argc);
    Both both;
    Shape *shapes[] = {&square, static_cast<Square *>(&both)};
    for (Shape *shape : shapes) std::printf("%d ", shape->area());
    std::printf("%d %d %d\n", both.mixed(), both.*member, (both.*method)());
    if (auto *found = dynamic_cast<Both *>(shapes[1])) std::printf("found %d\n", found->value);
    for (int x = 1; x < 5; x++) {
        try {
            std::printf("%d\n", risky(x));
        } catch (const std::exception &error) {
            std::printf("%s\n", error.what());
        } catch (int number) {
            std::printf("number %d\n", number);
        }
    }
    Holder<int> ints;
    Holder<double> doubles;
    std::printf("%d %d %.1f %d\n", ints.next(), ints.next(), doubles.next(), Holder<int>::count + Holder<double>::count);
    counter() += 2;
    std::printf("%d %s %s\n", counter(), lazily().name, of_thread.name);
    std::string text = "text";
    for (int i = 0; i < 3; i++) text += twice(text.substr(1, 1));
    Bits bits{1.5F};
    std::printf("%s %x %d %ld %d\n", text.c_str(), bits.u, int(Color::green), make(argc).a[2], squares[argc]);
    return twice(21);
}
