// Included by vague_functions*.cpp.
#include <typeinfo>

struct Base {
    virtual ~Base() {}
    virtual int id() { return 1; }
};
template <class T> struct Derived : Base {
    int id() override { return 2; }
};
template <class T> void *tag() {
    static char tag;
    return &tag;
}
inline int twice(int x) { return 2 * x; }
struct Member {
    static inline int call(int x) { return x + 1; }
};
inline void throw_derived(Base *base) { throw static_cast<Derived<int> *>(base); }

struct Identity {
    int (*function)(int);
    int (*member)(int);
    const std::type_info *type;
    void *tag;
    Base *object;
};
static Identity identity() {
    static Derived<int> object;
    return {twice, Member::call, &typeid(Derived<int>), tag<int>(), &object};
}
