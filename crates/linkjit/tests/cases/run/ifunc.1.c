int twice(int);
int call_twice(int n) { return twice(n); }
int (*twice_of_other(void))(int) { return twice; }
static int implementation(int n) { return n + 1000; }
static void *resolve_other(void) { return implementation; }
int other_indirect(int) __attribute__((ifunc("resolve_other")));
