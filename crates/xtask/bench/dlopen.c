// dlopen LIBRARY: loads the shared library and calls its main, as a program does that links with a file linker.
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int (*entry)(void) = library ? (int (*)(void))dlsym(library, "main") : NULL;
    if (!entry) {
        const char *why = dlerror();
        fprintf(stderr, "error: %s\n", why ? why : "usage: dlopen LIBRARY");
        return 1;
    }
    return entry();
}
