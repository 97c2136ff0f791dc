// compilers: msvc clang-gnu mingw
// flags: -O0
// flags: -O2
// run-args: a b"c
// options: -l shell32 -l psapi
// options: --lazy -l shell32 -l psapi
// expect: before main 1
// expect: handle 1 1 1 1
// expect: of address 1 1 0
// expect: exports 3 4 0 5 0
// expect: system's 1 1 1 0
// expect: file 1 1 1 1
// expect: short 1 4
// expect: process 1 1 1
// expect: base 1 1
// expect: information 1 1
// expect: program 1 1 1
// expect: lines 1 1 1
// expect: arguments 3 3 a
// expect: freed 1 1
// Whatever asks who it is is told of the program, not of what runs it.
#include "crt.h"
typedef unsigned long dword;
typedef unsigned short wide;
__declspec(dllimport) void *GetModuleHandleW(const wide *);
__declspec(dllimport) int GetModuleHandleExA(dword, const void *, void **);
__declspec(dllimport) int GetModuleHandleExW(dword, const void *, void **);
__declspec(dllimport) dword GetModuleFileNameA(void *, char *, dword);
__declspec(dllimport) dword GetModuleFileNameW(void *, wide *, dword);
__declspec(dllimport) dword GetLastError(void);
__declspec(dllimport) void *GetCurrentProcess(void);
__declspec(dllimport) int QueryFullProcessImageNameA(void *, dword, char *, dword *);
__declspec(dllimport) dword K32GetModuleFileNameExA(void *, void *, char *, dword);
__declspec(dllimport) dword K32GetModuleBaseNameW(void *, void *, wide *, dword);
__declspec(dllimport) int K32GetModuleInformation(void *, void *, void *, dword);
__declspec(dllimport) int FreeLibrary(void *);
__declspec(dllimport) int DisableThreadLibraryCalls(void *);
__declspec(dllimport) char *GetCommandLineA(void);
char *strstr(const char *, const char *);
char *strrchr(const char *, int);
size_t_ strlen(const char *);
extern char __ImageBase;
static void *self = &__ImageBase;
#ifdef _MSC_VER
#pragma comment(linker, "/export:numbered,@9,NONAME")
#else
__asm__(".section .drectve,\"yni\"\n.ascii \" -export:numbered,@9,NONAME\"\n.text\n");
#endif
__declspec(dllexport) int exported(void) { return 3; }
__declspec(dllexport) int variable = 4;
int numbered(void) { return 5; }
static int before_main(void) { return GetModuleHandleA(0) == self; }
#ifdef _MSC_VER
static int early;
static int initialize(void) { early = before_main(); return 0; }
__attribute__((section(".CRT$XIU"), used)) static int (*const initializer)(void) = initialize;
#else
static int early;
__attribute__((constructor)) static void initialize(void) { early = before_main(); }
#endif
static int is_program(const char *file) {
    // The directory is that of whoever runs it.
    const char *name = strrchr(file, '\\');
    return name && file[1] == ':' && !strcmp(name + 1, "identity.c.obj");
}
static int is_wide_program(const wide *file) {
    char narrow[512];
    int at = 0;
    do narrow[at] = (char)file[at]; while (file[at++] && at < 511);
    narrow[at] = 0;
    return is_program(narrow);
}
typedef void *(*getter)(void);
int main(int argc, char **argv) {
    char file[512];
    wide wide_file[512];
    void *found[4] = {0};
    printf("before main %d\n", early);
    int ex = GetModuleHandleExA(0, 0, &found[0]) && GetModuleHandleExW(2, 0, &found[1]);
    printf("handle %d %d %d %d\n", GetModuleHandleA(0) == self, GetModuleHandleW(0) == self, ex && found[0] == self, found[1] == self);
    int of_code = GetModuleHandleExA(4 | 2, (void *)main, &found[2]), of_data = GetModuleHandleExW(4, &early, &found[3]);
    void *kernel = GetModuleHandleA("kernel32.dll"), *none = self;
    printf("of address %d %d %d\n", of_code && found[2] == self, of_data && found[3] == self, GetModuleHandleExA(4, &none, &none) && none == self);
    int (*function)(void) = (int (*)(void))GetProcAddress(self, "exported"), (*by_number)(void) = (int (*)(void))GetProcAddress(self, (char *)9);
    int *data = (int *)GetProcAddress(GetModuleHandleA(0), "variable");
    printf("exports %d %d %d %d %d\n", function(), *data, GetProcAddress(self, "main") != 0, by_number(), GetProcAddress(self, (char *)10) != 0);
    getter line = (getter)GetProcAddress(kernel, "GetCommandLineA"), number = (getter)GetProcAddress(kernel, "GetCurrentProcessId");
    void *(*get_handle)(void *) = (void *(*)(void *))GetProcAddress(kernel, "GetModuleHandleA");
    printf("system's %d %d %d %d\n", line() == (void *)GetCommandLineA(), number() != 0, get_handle(0) == self, GetProcAddress(kernel, "exported") != 0);
    dword length = GetModuleFileNameA(0, file, 512), wide_length = GetModuleFileNameW(self, wide_file, 512);
    printf("file %d %d %d %d\n", is_program(file), is_wide_program(wide_file), length == strlen(file), wide_length == length);
    char small[4];
    dword too_long = GetModuleFileNameA(self, small, 4);
    printf("short %d %d\n", too_long == 4 && small[3] == 0 && GetLastError() == 122, (int)too_long);
    dword room = 512, little = 3;
    char process[512], ex_file[512];
    int queried = QueryFullProcessImageNameA(GetCurrentProcess(), 0, process, &room);
    K32GetModuleFileNameExA(GetCurrentProcess(), 0, ex_file, 512);
    printf("process %d %d %d\n", queried && is_program(process) && room == length, is_program(ex_file), !QueryFullProcessImageNameA(GetCurrentProcess(), 0, process, &little));
    wide base[64];
    dword base_length = K32GetModuleBaseNameW(GetCurrentProcess(), self, base, 64);
    printf("base %d %d\n", base[0] == 'i', base_length == strlen("identity.c.obj"));
    struct { void *base; dword size; void *entry; } information = {0};
    int informed = K32GetModuleInformation(GetCurrentProcess(), self, &information, sizeof information);
    printf("information %d %d\n", informed && information.base == self, information.size > 4096);
#ifdef _MSC_VER
    int _get_pgmptr(char **);
    char **__p__pgmptr(void);
    wide **__p__wpgmptr(void);
    char *_get_narrow_winmain_command_line(void);
    wide *_get_wide_winmain_command_line(void);
    char **__p__acmdln(void);
    int *__p___argc(void);
    char *pointer;
    _get_pgmptr(&pointer);
    printf("program %d %d %d\n", is_program(pointer), is_program(*__p__pgmptr()), is_wide_program(*__p__wpgmptr()));
    printf("lines %d %d %d\n", strstr(GetCommandLineA(), _get_narrow_winmain_command_line()) != 0 && _get_narrow_winmain_command_line()[0] == 'a',
        _get_wide_winmain_command_line()[0] == 'a', *__p__acmdln() == GetCommandLineA());
    printf("arguments %d %d %s\n", argc, *__p___argc(), argv[1]);
#else
    __declspec(dllimport) extern char *_pgmptr, *_acmdln;
    __declspec(dllimport) extern wide *_wpgmptr;
    int __getmainargs(int *, char ***, char ***, int, int *);
    int count = 0, start = 0;
    char **vector = 0, **environment = 0;
    __getmainargs(&count, &vector, &environment, 0, &start);
    printf("program %d %d %d\n", is_program(_pgmptr), is_program(_pgmptr), is_wide_program(_wpgmptr));
    printf("lines %d %d %d\n", _acmdln == GetCommandLineA(), environment != 0, vector[2] != 0);
    printf("arguments %d %d %s\n", argc, count, vector[1]);
#endif
    printf("freed %d %d\n", FreeLibrary(self), DisableThreadLibraryCalls(self));
    return 0;
}
