#include <typeinfo>

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

Base *make_both() { return new Both; }
Base *make_left() { return new Left; }
const std::type_info &type_of_both() { return typeid(Both); }
