struct entry { const char *name; int (*function)(int); };
static int two(int n) { return n * 2; }
static int three(int n) { return n * n; }
__attribute__((section("registry"), used)) static struct entry entries[] = {{"two", two}, {"three", three}};
__attribute__((section("numbers"), used)) static const int more_numbers[] = {4, 5};
