// compilers: msvc clang-gnu
// expect: renamed 1
// expect: by number 1
// expect: variable 3
// expect: other object 4
// expect: as 5
// expect: forward 1 same 1
// expect: forward by number 1
// expect: through slots 1 3
// Exports count wherever others look for names; here in the program itself, as it would in a program that imports them.
#include "crt.h"
#ifdef _MSC_VER
#define DIRECTIVE(text) __pragma(comment(linker, text))
#else
#define DIRECTIVE(text) __asm__(".section .drectve,\"yni\"\n.ascii \" " text "\"\n.text\n");
#endif
DIRECTIVE("/export:renamed=own_name,@7,NONAME")
DIRECTIVE("/export:variable=own_variable,DATA")
DIRECTIVE("/export:of_other=others,PRIVATE")
DIRECTIVE("/export:own_as,EXPORTAS,known_as")
DIRECTIVE("/export:pid=kernel32.GetCurrentProcessId")
DIRECTIVE("/export:startup=ws2_32.#115")
int own_name(void) { return 1; }
int own_variable = 3;
int own_as(void) { return 5; }
int renamed(void);
int by_number(void) __asm__("#7");
extern int variable;
int of_other(void);
int known_as(void);
unsigned pid(void);
int startup(unsigned short, void *);
extern int (*const __imp_renamed)(void);
extern int *const __imp_variable;
__declspec(dllimport) unsigned GetCurrentProcessId(void);
int main(void) {
    static char data[512];
    printf("renamed %d\n", renamed());
    printf("by number %d\n", by_number());
    printf("variable %d\n", variable);
    printf("other object %d\n", of_other());
    printf("as %d\n", known_as());
    unsigned (*volatile there)(void) = pid, (*volatile here)(void) = GetCurrentProcessId;
    printf("forward %d same %d\n", pid() == GetCurrentProcessId(), there() == here());
    printf("forward by number %d\n", startup(0x202, data) == 0 && data[0] == 2);
    printf("through slots %d %d\n", __imp_renamed(), *__imp_variable);
    return 0;
}
