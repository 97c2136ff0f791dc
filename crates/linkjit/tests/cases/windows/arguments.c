// compilers: msvc
// run-args: one two"three four\
// expect: argc 4 __argc 4
// expect: argv one two"three four\
// expect: __argv one two"three four\
// expect: __wargv o
// options: -l shell32
// expect: line one "two\"three" four\
// expect: parsed 4 two"three
#include "crt.h"
int *__p___argc(void);
char ***__p___argv(void);
unsigned short ***__p___wargv(void);
char **__p__acmdln(void);
__declspec(dllimport) char *GetCommandLineA(void);
__declspec(dllimport) unsigned short *GetCommandLineW(void);
__declspec(dllimport) unsigned short **CommandLineToArgvW(const unsigned short *line, int *count);
char *strstr(const char *, const char *);
int main(int argc, char **argv) {
    char **known = *__p___argv();
    printf("argc %d __argc %d\n", argc, *__p___argc());
    printf("argv %s %s %s\n", argv[1], argv[2], argv[3]);
    printf("__argv %s %s %s\n", known[1], known[2], known[3]);
    printf("__wargv %c\n", (*__p___wargv())[1][0]);
    printf("line %s\n", strcmp(GetCommandLineA(), *__p__acmdln()) ? "differs" : strstr(GetCommandLineA(), " one \"") + 1);
    int count;
    unsigned short **parsed = CommandLineToArgvW(GetCommandLineW(), &count);
    char text[16] = {0};
    for (int i = 0; i < 15 && parsed[2][i]; i++) text[i] = (char)parsed[2][i];
    printf("parsed %d %s\n", count, text);
    return 0;
}
