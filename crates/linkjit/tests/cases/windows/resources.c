// compilers: msvc mingw
// options: -l user32
// expect: instance 1
// expect: string 9 seventeen
// expect: data 6 hello
// expect: menu 1
// expect: absent 0
// expect: file 1
// expect: of the program 9 6 1 1
// Resources as their compilers make them.
#include "crt.h"
#define WINAPI __declspec(dllimport)
typedef void *Handle;
WINAPI int LoadStringA(Handle image, unsigned id, char *text, int room);
WINAPI Handle FindResourceA(Handle image, const char *name, const char *type);
WINAPI Handle LoadResource(Handle image, Handle resource);
WINAPI unsigned long SizeofResource(Handle image, Handle resource);
WINAPI void *LockResource(Handle data);
WINAPI Handle LoadMenuA(Handle image, const char *name);
WINAPI unsigned long GetModuleFileNameA(Handle image, char *name, unsigned long room);
WINAPI Handle FindResourceW(Handle image, const void *name, const void *type);
WINAPI int EnumResourceTypesA(Handle image, int (*function)(Handle, char *, void *), void *argument);
extern char __ImageBase;
static int count(Handle image, char *type, void *types) { return ++*(int *)types; }
#define ID(number) ((const char *)(size_t_)(number))
int __stdcall WinMain(Handle instance, Handle previous, char *line, int show) {
    printf("instance %d\n", instance == &__ImageBase && instance == GetModuleHandleA(0));
    char text[32] = "";
    int length = LoadStringA(instance, 17, text, sizeof text);
    printf("string %d %s\n", length, text);
    Handle data = FindResourceA(instance, ID(100), ID(10));
    printf("data %lu %s\n", SizeofResource(instance, data), (char *)LockResource(LoadResource(instance, data)));
    printf("menu %d\n", LoadMenuA(instance, ID(1)) != 0);
    printf("absent %d\n", FindResourceA(instance, ID(101), ID(10)) != 0);
    char of_image[300], of_program[300];
    GetModuleFileNameA(instance, of_image, sizeof of_image);
    GetModuleFileNameA(0, of_program, sizeof of_program);
    printf("file %d\n", !strcmp(of_image, of_program));
    // No module means the program.
    data = FindResourceW(0, (const void *)ID(100), (const void *)ID(10));
    int types = 0;
    EnumResourceTypesA(0, count, &types);
    printf("of the program %d %lu %d %d\n", LoadStringA(0, 17, text, sizeof text), SizeofResource(0, data),
        LoadResource(0, data) == LoadResource(instance, data), types == 3);
    return 0;
}
