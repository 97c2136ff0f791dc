struct entry { const char *name; int (*function)(int); };
static int two(int n) { return n * 2; }
static int three(int n) { return n * n; }
// Aligned no further than an entry: compilers align large arrays further, which leaves gaps in the list.
__attribute__((section("registry"), used, aligned(8))) static struct entry entries[] = {{"two", two}, {"three", three}};
__attribute__((section("numbers"), used, aligned(4))) static const int more_numbers[] = {4, 5};
