// dynamic_cast and typeid for classes whose vtables and type information are in several objects.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fno-pic
#include <cstdio>
#include <typeindex>
#include <typeinfo>
#include <unordered_map>

struct Base {
    virtual ~Base() = default;
    virtual const char *name() const { return "Base"; }
};
struct Left : virtual Base {
    int left = 1;
    const char *name() const override { return "Left"; }
};
struct Right : virtual Base {
    int right = 2;
};
struct Both : Left, Right {
    int both = 3;
    const char *name() const override { return "Both"; }
};
struct Other : Base {
    const char *name() const override { return "Other"; }
};

Base *make_both();
Base *make_left();
const std::type_info &type_of_both();

int main() {
    Base *both = make_both(), *left = make_left();
    Other other;
    std::printf("%s %s\n", both->name(), left->name());
    auto *right = dynamic_cast<Right *>(both);
    std::printf("cross cast %d\n", right ? right->right : -1);
    std::printf("failed cast %d\n", dynamic_cast<Both *>(left) != nullptr);
    std::printf("down cast %d\n", dynamic_cast<Both &>(*both).both);
    std::printf("same type %d %d\n", typeid(*both) == type_of_both(), typeid(*left) == type_of_both());
    std::printf("same address %d\n", &typeid(Both) == &type_of_both());
    std::unordered_map<std::type_index, const char *> names{{typeid(Both), "both"}, {typeid(Left), "left"}};
    std::printf("%s %s\n", names[type_of_both()], names[typeid(*left)]);
    try {
        (void)dynamic_cast<Both &>(static_cast<Base &>(other));
    } catch (const std::bad_cast &) {
        std::puts("bad cast");
    }
    std::printf("complete object %d\n", dynamic_cast<void *>(right) == dynamic_cast<void *>(both));
    delete both;
    delete left;
}
