// compilers: msvc
// flags: -O0
// flags: -O2
// expect: compiler segment
// expect: priority
// expect: early of 1
// expect: lib of 0
// expect: user of 0
// expect: user of 1
// expect: main
// expect: local once
// expect: local 1
// expect: local 1
// expect: at exit 2
// expect: at exit 1
// expect: ~local
// expect: ~user of 1
// expect: ~user of 0
#include "crt.h"
struct Say {
    const char *text;
    bool leave;
    Say(const char *text, bool leave = false) : text(text), leave(leave) { puts(text); }
    ~Say() { if (leave) printf("~%s\n", text); }
};
Say user("user of 0", true);
__attribute__((init_priority(200))) Say priority("priority");
struct Local { int n; Local() : n(1) { puts("local once"); } ~Local() { puts("~local"); } };
int local() { static Local local; return local.n; }
__attribute__((section(".CRT$XCL"), used)) static void (*const lib_initializer)(void) = []() -> void { puts("lib of 0"); };
int main() {
    puts("main");
    printf("local %d\n", local());
    printf("local %d\n", local());
    atexit([] { puts("at exit 1"); });
    atexit([] { puts("at exit 2"); });
}
