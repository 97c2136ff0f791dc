// compilers: msvc
// flags: -O2
// expect: written
// expect: same 0 0 1
// expect: ascii 1 0
// expect: reversed
// expect: alloca
// Names of POSIX, which the C runtime has with an underscore; what debug builds call.
#include "crt.h"
char *strdup(const char *);
int stricmp(const char *, const char *);
int strcmpi(const char *, const char *);
char *strrev(char *);
int isascii(int);
int write(int, const void *, unsigned);
int getpid(void);
void _RTC_AllocaHelper(void *, size_t_, void **);
void _RTC_CheckStackVars2(void *, void *, void *);
void __CheckForDebuggerJustMyCode(unsigned char *);
unsigned char just_my_code = 1;
int main(void) {
    __CheckForDebuggerJustMyCode(&just_my_code);
    char *copy = strdup("desrever");
    char text[] = "written\n";
    write(1, text, sizeof text - 1);
    printf("same %d %d %d\n", stricmp("ABC", "abc"), strcmpi("x", "X"), getpid() != 0);
    printf("ascii %d %d\n", isascii('a') != 0, isascii(200) != 0);
    puts(strrev(copy));
    free(copy);
    struct { int count; void *variables; } frame = {0, 0};
    void *list = 0;
    char *memory = __builtin_alloca(64);
    _RTC_AllocaHelper(memory, 64, &list);
    memcpy(memory, "alloca", 7);
    _RTC_CheckStackVars2(memory, &frame, list);
    puts(memory);
}
