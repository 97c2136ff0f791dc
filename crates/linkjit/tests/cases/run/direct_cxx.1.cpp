// flags: -fno-pic
#include <iostream>
#include <stdexcept>
#include <typeinfo>

struct Base { virtual ~Base() {} };
struct Other : Base {};

std::ostream &other_stream() { return std::cout; }
const std::type_info &other_type() { return typeid(std::out_of_range); }
void other_throw(int what) {
    if (what == 0) throw 42;
    if (what == 1) throw std::out_of_range("thrown there");
    Base base;
    (void)dynamic_cast<Other &>(base).~Other();
}
