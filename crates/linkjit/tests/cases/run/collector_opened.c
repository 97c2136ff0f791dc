// A conservative garbage collector that is opened while the program runs, at once or lazily, finds its roots in linked code.
// flags: -O1
// flags: -O1 -DMODE=RTLD_NOW
// flags: -O0 -fno-pic
// compilers: gcc clang-19
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef MODE
#define MODE RTLD_LAZY
#endif

struct node {
    struct node *next;
    int number;
};
static struct node *list;

int main(void) {
    void *library = dlopen("libgc.so.1", MODE);
    if (!library) {
        puts(dlerror());
        return 1;
    }
    void (*begin)(void) = (void (*)(void))dlsym(library, "GC_init");
    void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "GC_malloc");
    void (*collect)(void) = (void (*)(void))dlsym(library, "GC_gcollect");
    begin();
    for (int i = 0; i < 2000; i++) {
        struct node *node = allocate(sizeof *node);
        node->number = i;
        node->next = list;
        list = node;
    }
    for (int round = 0; round < 5; round++) {
        collect();
        for (int i = 0; i < 20000; i++) ((struct node *)allocate(sizeof *list))->number = -1;
    }
    int live = 0, bad = 0;
    for (struct node *node = list; node && live < 5000; node = node->next) {
        live++;
        bad += node->number != 2000 - live;
    }
    printf("%d %d\n", live, bad);
}
