#include "crt.h"
// Initializers of a table that the program walks itself.
typedef void (*function)();
#pragma section(".mine$a", read)
#pragma section(".mine$z", read)
__declspec(allocate(".mine$a")) extern const function first = nullptr;
__declspec(allocate(".mine$z")) extern const function last = nullptr;
#pragma init_seg(".mine$m")
struct Count {
    int n;
    Count(int n) : n(n) { printf("table %d\n", n); }
};
Count one(1), two(2);
int run_table() {
    int count = 0;
    for (const function *at = &first + 1; at != &last; ++at) count += *at != nullptr;
    printf("table of 4: %d entries\n", count);
    for (const function *at = &first + 1; at != &last; ++at)
        if (*at) (*at)();
    return one.n + two.n - 3;
}
