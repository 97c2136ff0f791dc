// A plugin that derives from a class of the program, throws one of its exceptions, and registers itself.
#include "base.hpp"

extern "C" int not_called_here(int), dependency(int);

struct Mine : Plugin {
    int run(int x) override {
        if (x < 0) throw HostError("negative");
        counter += x;
        return Plugin::run(x) + not_called_here(x) + dependency(1);
    }
};

static struct Registration {
    Registration() {
        counter++;
        shared()++;
        registry()["mine"] = []() -> Plugin * { return new Mine; };
    }
    ~Registration() { printf("plugin goes, counter %d\n", counter); }
} registration;
