// compilers: mingw clang-gnu
// archives: mingw-runtime
// flags: -O0
// flags: -O2
// expect: value 1
// expect: address 1 1
// expect: in data 1
// expect: beyond its start 1
// expect: written 1
// expect: function 1
// Variables of a DLL that code is not told are a DLL's: GNU's linker would have the program's start-up patch the references
// (runtime pseudo-relocations), which go through pointers (.refptr) or are addresses in data.
#include <stdio.h>
#include <string.h>
void *GetModuleHandleA(const char *), *GetProcAddress(void *, const char *);
// Names that MinGW's headers have macros for.
extern int daylight __asm__("_daylight"), error_count __asm__("_sys_nerr");
extern char *errors[] __asm__("_sys_errlist");
extern double infinite __asm__("_HUGE");
int *in_data[] = {&daylight, &error_count};
char **beyond = &errors[2];
int (*function)(const char *) = puts;
int main(void) {
    void *dll = GetModuleHandleA("msvcrt.dll");
    int *zone = GetProcAddress(dll, "_daylight"), *count = GetProcAddress(dll, "_sys_nerr");
    char **list = GetProcAddress(dll, "_sys_errlist");
    double *huge = GetProcAddress(dll, "_HUGE");
    printf("value %d\n", error_count == *count && error_count > 2 && infinite == *huge);
    printf("address %d %d\n", &daylight == zone, &infinite == huge);
    printf("in data %d\n", in_data[0] == zone && in_data[1] == count);
    printf("beyond its start %d\n", beyond == list + 2 && !strcmp(*beyond, errors[2]) && errors[3] == list[3]);
    daylight = 7;
    printf("written %d\n", *zone == 7);
    printf("function %d\n", function == puts);
    return 0;
}
