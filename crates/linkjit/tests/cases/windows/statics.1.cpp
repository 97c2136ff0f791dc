#include "crt.h"
struct SayToo {
    const char *text;
    SayToo(const char *text) : text(text) { puts(text); }
    ~SayToo() { printf("~%s\n", text); }
};
SayToo user1("user of 1");
static int early() { puts("early of 1"); return 0; }
static int first() { puts("compiler segment"); return 0; }
__attribute__((section(".CRT$XIU"), used)) static int (*const c_initializer)(void) = first;
__attribute__((section(".CRT$XCC"), used)) static int (*const early_initializer)(void) = early;
