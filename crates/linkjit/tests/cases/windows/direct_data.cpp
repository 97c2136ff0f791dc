// compilers: msvc
// flags: -O0
// flags: -O2
// options: 
// options: --lazy
// run-args: one
// expect: arguments 2 one 1 1
// expect: runtime 1 1 1
// expect: registers 1
// expect: behind 1 1
// expect: stored 7
// expect: in data 1
// expect: said
// expect: later 1 24
// Objects for the static C runtime (/MT) refer to its variables without a table of imports: here these are the DLLs', and
// linkjit's own for the arguments.
#include "crt.h"
extern "C" {
struct Stream;
extern char out[] __asm__("?cout@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A");
extern char err[] __asm__("?cerr@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A");
Stream *put(void *, char) __asm__("?put@?$basic_ostream@DU?$char_traits@D@std@@@std@@QEAAAEAV12@D@Z");
Stream *flush(void *) __asm__("?flush@?$basic_ostream@DU?$char_traits@D@std@@@std@@QEAAAEAV12@XZ");
extern int __argc, _daylight;
extern char **__argv, *_acmdln, **_environ;
extern unsigned short *_wcmdln;
int *__daylight();
char ***__p__environ();
int later(void);
char *far_behind(void);
}
static char *const in_data[] = {out, err + 8};
// What optimizers would see through.
static bool same(const void *volatile one, const void *volatile other) { return one == other; }
int main() {
    printf("arguments %d %s %d %d\n", __argc, __argv[1], _acmdln != nullptr, _wcmdln[0] != 0);
    void *dll = GetModuleHandleA("msvcp140.dll");
    void *real = GetProcAddress(dll, "?cout@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A");
    printf("runtime %d %d %d\n", same(out, real), same(&_daylight, __daylight()), same(_environ, *__p__environ()));
    void *addresses[4];
    __asm__("leaq %P4(%%rip), %%rax\n\tleaq %P4(%%rip), %%r9\n\tleaq %P4(%%rip), %%r15\n\tleaq %P4(%%rip), %%r12\n\t"
            "movq %%rax, %0\n\tmovq %%r9, %1\n\tmovq %%r15, %2\n\tmovq %%r12, %3"
            : "=m"(addresses[0]), "=m"(addresses[1]), "=m"(addresses[2]), "=m"(addresses[3]) : "i"(out) : "rax", "r9", "r12", "r15");
    int equal = 1;
    for (void *address : addresses) equal &= address == real;
    printf("registers %d\n", equal);
    printf("behind %d %d\n", same(err + 40, in_data[1] + 32), same(&out[16], (char *)real + 16));
    _daylight = 7;
    printf("stored %d\n", *__daylight());
    printf("in data %d\n", same(in_data[0], real));
    for (const char *c = "said\n"; *c; c++) put(out, *c);
    flush(out);
    printf("later %d %d\n", later(), (int)(far_behind() - (char *)real));
}
