// compilers: msvc clang-gnu mingw
// archives: libmingw32.a
// flags: -DNAME=WinMain -DCHARACTER=char
// flags: -DNAME=wWinMain -DCHARACTER=short
// run-args: one two
// expect: one two
// expect: 1 1
// exit: 10
// MinGW's library has a main that calls WinMain, and wants what only its start-up has.
int putchar(int);
int puts(const char *);
extern char __ImageBase;
int __stdcall NAME(void *instance, void *previous, CHARACTER *line, int show) {
    while (*line) putchar(*line++);
    putchar('\n');
    putchar(instance == &__ImageBase ? '1' : '0');
    putchar(' ');
    puts(previous ? "0" : "1");
    return show;
}
