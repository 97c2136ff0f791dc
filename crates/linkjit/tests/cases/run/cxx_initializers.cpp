// Static initializers run in link order, those with a priority first; destructors run in reverse.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fno-pic
#include <cstdio>

struct Tracer {
    const char *name;
    explicit Tracer(const char *name) : name(name) { std::printf("construct %s\n", name); }
    ~Tracer() { std::printf("destroy %s\n", name); }
};
Tracer first("main.a");
Tracer late __attribute__((init_priority(5000)))("main.5000");
static Tracer early __attribute__((init_priority(200)))("main.200");
inline Tracer shared_inline("inline");
template <class T> struct Holder {
    static Tracer held;
};
template <class T> Tracer Holder<T>::held("template");
Tracer *use_template = &Holder<int>::held;
__attribute__((constructor)) static void plain_constructor() { std::puts("main constructor"); }
__attribute__((constructor(300))) static void constructor_300() { std::puts("main constructor 300"); }
__attribute__((destructor)) static void plain_destructor() { std::puts("main destructor"); }
__attribute__((destructor(300))) static void destructor_300() { std::puts("main destructor 300"); }

Tracer &function_local();
Tracer *inline_of_other();

int main() {
    std::puts("main");
    function_local();
    std::printf("%s again\n", function_local().name);
    std::printf("inline is one: %d\n", inline_of_other() == &shared_inline);
}
