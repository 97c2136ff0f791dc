#include "crt.h"
// The routine that programs may bring themselves; this one does without what is missing.
extern char __ImageBase;
__declspec(dllimport) void *LoadLibraryA(const char *);
struct descriptor { unsigned attributes, name, module, slots, names, bound, unload, time; };
static int missing(void) { return -1; }
void *__delayLoadHelper2(const struct descriptor *of, void **slot) {
    char *base = &__ImageBase;
    long long name = ((long long *)(base + of->names))[slot - (void **)(base + of->slots)];
    void **module = (void **)(base + of->module);
    printf("helper: %s ", base + of->name);
    if (name < 0) printf("#%d\n", (int)(name & 0xffff)); else puts(base + name + 2);
    if (!*module) *module = LoadLibraryA(base + of->name);
    return *slot = (void *)missing;
}
