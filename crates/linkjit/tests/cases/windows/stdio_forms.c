// compilers: msvc
// expect: printf 1 two 3.5
// expect: printf_s 4
// expect: fprintf_s 5
// expect: wprintf 6 seven
// expect: 10 abc-12 xyz
// expect: cut -1 abcd
// expect: standard 6 abc
// expect: lengths 8 6
// expect: wide 5 12-xy cut -1
// expect: scanned 3 12 ab 3.5
// expect: wide scanned 2 7 cd
// expect: secure 3 99 wo
// Functions that Microsoft's headers define in line, as code refers to them that was compiled without these.
#include "crt.h"
typedef unsigned short wide_t;
#define printf own_printf
int (printf)(const char *, ...) __asm__("printf");
int printf_s(const char *, ...), fprintf_s(void *, const char *, ...), sprintf_s(char *, size_t_, const char *, ...);
int _snprintf(char *, size_t_, const char *, ...), snprintf(char *, size_t_, const char *, ...), _snprintf_s(char *, size_t_, size_t_, const char *, ...);
int _scprintf(const char *, ...), _scwprintf(const wide_t *, ...), wprintf(const wide_t *, ...);
int swprintf(wide_t *, size_t_, const wide_t *, ...), _snwprintf(wide_t *, size_t_, const wide_t *, ...), swprintf_s(wide_t *, size_t_, const wide_t *, ...);
int sscanf(const char *, const char *, ...), swscanf(const wide_t *, const wide_t *, ...), sscanf_s(const char *, const char *, ...);
static const char *narrow(const wide_t *text) { static char to[64]; int i = 0; for (; text[i]; i++) to[i] = (char)text[i]; to[i] = 0; return to; }
int main(void) {
    char text[32]; wide_t wide[32]; int n = 0; float f = 0; char word[16]; wide_t wide_word[16];
    printf("printf %d %s %.1f\n", 1, "two", 3.5);
    printf_s("printf_s %d\n", 4);
    fprintf_s(__acrt_iob_func(1), "fprintf_s %d\n", 5);
    wprintf((const wide_t *)L"wprintf %d %S\n", 6, "seven");
    n = sprintf_s(text, sizeof text, "%s-%d %s", "abc", 12, "xyz");
    printf("%d %s\n", n, text);
    memset(text, '#', sizeof text);
    n = _snprintf(text, 4, "%s", "abcdef"); text[4] = 0;
    printf("cut %d %s\n", n, text);
    n = snprintf(text, 4, "%s", "abcdef");
    printf("standard %d %s\n", n, text);
    printf("lengths %d %d\n", _scprintf("%08d", 5), _scwprintf((const wide_t *)L"%06d", 5));
    n = swprintf(wide, 32, (const wide_t *)L"%d-%s", 12, L"xy");
    printf("wide %d %s", n, narrow(wide));
    n = _snprintf_s(text, sizeof text, 3, "%s%d%d%d", "abcdef", 1, 2, 3);
    printf(" cut %d\n", n);
    n = sscanf("12 ab 3.5", "%d %s %f", &(int){0}, word, &f);
    int number = 0; sscanf("12", "%d", &number);
    printf("scanned %d %d %s %.1f\n", n, number, word, f);
    n = swscanf((const wide_t *)L"7 cd", (const wide_t *)L"%d %s", &number, wide_word);
    printf("wide scanned %d %d %s\n", n, number, narrow(wide_word));
    char secure[3], rest[8];
    n = sscanf_s("99 wo rest", "%d %s %s", &number, secure, (unsigned)sizeof secure, rest, (unsigned)sizeof rest);
    printf("secure %d %d %s\n", n, number, secure);
    return 0;
}
