#include <cstdio>
#include <string>

struct Tracer {
    std::string name;
    int uses = 0;
    explicit Tracer(const char *name) : name(name) { std::printf("construct %s\n", name); }
    ~Tracer() { std::printf("destroy %s after %d uses\n", name.c_str(), uses); }
};
thread_local Tracer other("other");
inline thread_local Tracer shared_inline("inline");
int use_inline() { return ++shared_inline.uses; }
