#include <cstdio>

struct Tracer {
    const char *name;
    explicit Tracer(const char *name) : name(name) { std::printf("construct %s\n", name); }
    ~Tracer() { std::printf("destroy %s\n", name); }
};
inline Tracer shared_inline("inline");
Tracer second("one.a");
static Tracer early __attribute__((init_priority(100 + 50)))("one.150");
template <class T> struct Holder {
    static Tracer held;
};
template <class T> Tracer Holder<T>::held("template");
Tracer *use_template_too = &Holder<int>::held;
__attribute__((constructor)) static void plain_constructor() { std::puts("one constructor"); }
__attribute__((constructor(300))) static void constructor_300() { std::puts("one constructor 300"); }
__attribute__((destructor)) static void plain_destructor() { std::puts("one destructor"); }
__attribute__((destructor(200))) static void destructor_200() { std::puts("one destructor 200"); }

Tracer &function_local() {
    static Tracer local("function-local");
    return local;
}
Tracer *inline_of_other() { return &shared_inline; }
