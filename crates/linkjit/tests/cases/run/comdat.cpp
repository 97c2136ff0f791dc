// Inline functions, variables and templates that several objects define are one, with one set of statics.
// flags: -O0 -fPIC
// flags: -O2 -fPIC -ffunction-sections -fdata-sections
// flags: -O0 -fno-pic
// policy: whole
#include <cstdio>

inline int counter() {
    static int count = 0;
    return ++count;
}
inline int shared_variable = 5;
template <class T> struct Registry {
    static T value;
    static int next() { return static_cast<int>(++value); }
};
template <class T> T Registry<T>::value = 100;
struct Interface {
    virtual int id() const { return 1; }
    virtual ~Interface() = default;
};
int *address_of_variable();
int counter_of_other();
int registry_of_other();
int (*function_of_other())();
Interface *make_interface();

int main() {
    int a = counter(), b = counter_of_other(), c = counter();
    std::printf("%d %d %d\n", a, b, c);
    a = Registry<long>::next(), b = registry_of_other(), c = Registry<long>::next();
    std::printf("%d %d %d\n", a, b, c);
    std::printf("%d %d\n", address_of_variable() == &shared_variable, function_of_other() == counter);
    Interface *made = make_interface();
    std::printf("%d\n", made->id());
    delete made;
}
