// Calls functions that were not called before, between failures of the loader and the question what they were.
#include <dlfcn.h>
#include <stdio.h>

int late(int), later(int);
int (*volatile to_late)(int) = late, (*volatile to_later)(int) = later;

static void say(const char *what) {
    const char *message = dlerror();
    printf("%s: %s\n", what, message ? message : "nothing");
}

int main(void) {
    void *none = dlopen("./not_there.so", RTLD_NOW);
    printf("%d\n", to_late(-3));
    say(none ? "opened" : "not opened");
    say("again");
    void *plugin = dlopen("./libplugin.so", RTLD_LAZY);
    void *symbol = dlsym(plugin, "walk");
    printf("%d\n", to_later(1234));
    say(symbol ? "found" : "not found");
    // Nothing has failed.
    symbol = dlsym(plugin, "run");
    say(symbol ? "found" : "not found");
    return 0;
}
