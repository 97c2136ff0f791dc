// A program that opens plugins as its argument says: `now` or `lazy`.
#include "base.hpp"
#include <cstring>
#include <dlfcn.h>

Plugin::~Plugin() { printf("end of %s\n", name.c_str()); }
int Plugin::run(int x) { return x + 1; }
HostError::~HostError() {}
int counter = 3;

Registry &registry() {
    static Registry all;
    return all;
}

extern "C" int not_called_here(int x) { return x * 7; }

int main(int, char **argv) {
    int mode = strcmp(argv[1], "lazy") == 0 ? RTLD_LAZY : RTLD_NOW;
    void *plugin = dlopen("./libplugin.so", mode);
    if (!plugin) {
        puts(dlerror());
        return 1;
    }
    printf("%d %d\n", counter, shared());
    for (auto &[name, make] : registry()) {
        Plugin *made = make();
        made->name = name;
        try {
            printf("%s %d\n", name.c_str(), made->run(4));
            made->run(-1);
        } catch (const HostError &error) {
            printf("caught %s\n", error.what());
        }
        delete made;
    }
    registry().clear();
    void *again = dlopen("./libplugin.so", RTLD_NOLOAD | RTLD_NOW);
    printf("one plugin %d\n", again == plugin);
    dlclose(again);
    puts("closing");
    dlclose(plugin);
    printf("loaded %d\n", dlopen("./libplugin.so", RTLD_NOLOAD | RTLD_NOW) != 0);
    plugin = dlopen("./libplugin.so", mode);
    printf("opened again %d, counter %d\n", plugin != 0, counter);
    void *lacking = dlopen("./liblacking.so", RTLD_NOW);
    printf("lacking %d %s\n", lacking != 0, dlerror());
    void *none = dlopen("./libnone.so", RTLD_NOW);
    printf("none %d %s\n", none != 0, dlerror());
    lacking = dlopen("./liblacking.so", RTLD_LAZY);
    if (lacking) printf("lacking, lazily %d\n", ((int (*)(int))dlsym(lacking, "usable"))(3));
}
