// __start_ and __stop_ of sections whose parts are in several objects, and of one that nobody has.
// flags: -O0 -fPIC
// flags: -O2 -fPIE -ffunction-sections -fdata-sections
// flags: -O2 -fno-pic
#include <stdio.h>

struct entry { const char *name; int (*function)(int); };
static int one(int n) { return n + 1; }
__attribute__((section("registry"), used, aligned(8))) static struct entry entry_one = {"one", one};
__attribute__((section("numbers"), used, aligned(4))) static const int some_numbers[] = {1, 2, 3};
extern struct entry __start_registry[], __stop_registry[];
extern const int __start_numbers[], __stop_numbers[];
extern __attribute__((weak)) char __start_nobody[], __stop_nobody[];

int main(void) {
    for (struct entry *e = __start_registry; e < __stop_registry; e++) printf("%s %d\n", e->name, e->function(10));
    int sum = 0;
    for (const int *n = __start_numbers; n < __stop_numbers; n++) sum += *n;
    printf("%d of %d\n", sum, (int)(__stop_numbers - __start_numbers));
    printf("%d %d\n", __start_nobody != 0, __stop_nobody != 0);
}
