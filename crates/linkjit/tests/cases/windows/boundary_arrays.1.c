#ifdef _MSC_VER
#pragma section("array$m", read)
#pragma section("array$n", read)
#define IN(name) __declspec(allocate(name))
#else
#define IN(name) __attribute__((section(name), used))
#endif
IN("array$n") const char *const too = "too";
IN("array$m") const char *const there = "there";
int other(void) { return 0; }
