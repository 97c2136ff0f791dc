// thread_local objects with constructors and destructors, in threads and in the main thread, across objects.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fPIC -mtls-dialect=gnu2
#include <cstdio>
#include <string>
#include <thread>

struct Tracer {
    std::string name;
    int uses = 0;
    explicit Tracer(const char *name) : name(name) { std::printf("construct %s\n", name); }
    ~Tracer() { std::printf("destroy %s after %d uses\n", name.c_str(), uses); }
};
static thread_local Tracer local("local");
extern thread_local Tracer other;
inline thread_local Tracer shared_inline("inline");
Tracer global("global");
int use_inline();

static void use() {
    local.uses++;
    other.uses += 2;
    static thread_local Tracer in_function("in function");
    in_function.uses += 3;
    shared_inline.uses++;
    std::printf("inline %d\n", use_inline());
}

int main() {
    std::thread thread([] {
        use();
        use();
    });
    thread.join();
    std::puts("joined");
    use();
    std::thread([] { std::puts("uses none"); }).join();
    std::puts("end of main");
}
