// compilers: msvc
// expect: configuration 1 cookie 1 check 1 dispatch 1
// expect: tables 1
// expect: called 5
// expect: processor 1 floating point 1
// expect: environment 1 time zone 1
// expect: errors 1
// expect: message 1
// expect: once 1 again 0
// Data that Microsoft's runtime links into each image, and functions beside it.
#include "crt.h"
extern "C" {
extern unsigned char _load_config_used[];
extern unsigned long long __security_cookie;
extern void *__guard_check_icall_fptr, *__guard_dispatch_icall_fptr;
extern char __guard_fids_table[], __guard_fids_count[], __guard_flags[];
extern int __isa_available, _fltused;
extern unsigned __isa_enabled;
// In a DLL, so not known to be near.
__declspec(dllimport) extern char **_environ;
__declspec(dllimport) extern int daylight, _sys_nerr;
__declspec(dllimport) extern char *tzname[2];
__declspec(dllimport) extern const char *const _sys_errlist[];
char ***__p__environ();
int *__daylight();
char **__tzname();
size_t_ __std_system_error_allocate_message(unsigned long, char **);
void __std_system_error_deallocate_message(char *);
int __std_init_once_begin_initialize(void **, unsigned long, int *, void **);
int __std_init_once_complete(void **, unsigned long, void *);
}
static void *const volatile tables[] = {__guard_fids_table, __guard_fids_count, __guard_flags};
static void *word(int at) { return *(void **)(_load_config_used + at); }
static int five() { return 5; }
static bool begins(const char *text, const char *with) { while (*with && *text == *with) text++, with++; return !*with; }
int main() {
    printf("configuration %d cookie %d check %d dispatch %d\n", *(unsigned *)_load_config_used >= 0x70, word(0x58) == &__security_cookie,
        word(0x70) == &__guard_check_icall_fptr, word(0x78) == &__guard_dispatch_icall_fptr);
    printf("tables %d\n", !tables[0] && !tables[1] && !tables[2]);
    int result;
    // As code that is compiled with /guard:cf calls: through the one that checks, and through the one that goes on.
    ((void (*)(void *))__guard_check_icall_fptr)((void *)five);
    __asm__ volatile("callq *%1" : "=a"(result) : "m"(__guard_dispatch_icall_fptr), "a"(five) : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
    printf("called %d\n", result);
    printf("processor %d floating point %d\n", __isa_available >= 1 && __isa_enabled >> __isa_available & 1, _fltused != 0);
    printf("environment %d time zone %d\n", &_environ == __p__environ(), &daylight == __daylight() && tzname == __tzname());
    printf("errors %d\n", _sys_nerr > 2 && begins(_sys_errlist[2], "No such file"));
    char *text;
    size_t_ length = __std_system_error_allocate_message(2, &text);
    printf("message %d\n", length > 3 && text[length - 1] != '\n' && text[length - 1] != ' ');
    __std_system_error_deallocate_message(text);
    static void *once; int first = 0, again = 1;
    __std_init_once_begin_initialize(&once, 0, &first, nullptr); __std_init_once_complete(&once, 0, nullptr);
    __std_init_once_begin_initialize(&once, 0, &again, nullptr);
    printf("once %d again %d\n", first, again);
}
