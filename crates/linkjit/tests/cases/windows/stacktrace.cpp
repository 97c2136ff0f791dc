// compilers: msvc
// flags: -O0
// expect: depth 1 inner 1 outer 1
// expect: hash 1
// expect: one stacktrace.cpp+0x line 0 file 0
// expect: all 1
// expect: of a DLL 1
// What Microsoft's C++ library links into each image for std::stacktrace.
#include "crt.h"
typedef size_t_ (*Write)(char *, size_t_, void *);
typedef size_t_ (*Fill)(size_t_, void *, void *, Write);
extern "C" {
unsigned short __std_stacktrace_capture(unsigned long, unsigned long, void **, unsigned long *);
void __std_stacktrace_address_to_string(const void *, void *, Fill);
void __std_stacktrace_source_file(const void *, void *, Fill);
unsigned __std_stacktrace_source_line(const void *);
void __std_stacktrace_to_string(const void *const *, size_t_, void *, Fill);
char *strstr(const char *, const char *);
size_t_ strlen(const char *);
}
struct String { char text[4096]; };
static size_t_ fill(size_t_ size, void *string, void *context, Write write) {
    char *text = ((String *)string)->text;
    size_t_ written = write(text, size, context);
    text[written] = 0;
    return written;
}
static void *frames[64];
static unsigned long hash;
static unsigned short depth;
__attribute__((noinline)) static int inner() { depth = __std_stacktrace_capture(0, 64, frames, &hash); return depth; }
__attribute__((noinline)) static int outer() { return inner() + 1; }
static bool is_in(void *address, int (*function)()) { return address > (void *)function && address < (char *)function + 200; }
int main() {
    outer();
    printf("depth %d inner %d outer %d\n", depth > 2, is_in(frames[0], inner), is_in(frames[1], outer));
    printf("hash %d\n", hash != 0);
    String one, file, all, dll;
    __std_stacktrace_address_to_string(frames[0], &one, fill);
    __std_stacktrace_source_file(frames[0], &file, fill);
    // The offset is where the linker puts it.
    char *offset = strstr(one.text, "+0x");
    offset[3] = 0;
    printf("one %s line %u file %d\n", one.text, __std_stacktrace_source_line(frames[0]), (int)strlen(file.text));
    __std_stacktrace_to_string(frames, 2, &all, fill);
    printf("all %d\n", strstr(all.text, "0> stacktrace.cpp+0x") == all.text && strstr(all.text, "\n1> stacktrace.cpp+0x") && !strstr(all.text, "2>"));
    __std_stacktrace_address_to_string(GetProcAddress(GetModuleHandleA("kernel32.dll"), "GetVersion"), &dll, fill);
    printf("of a DLL %d\n", (strstr(dll.text, "kernel32+0x") == dll.text || strstr(dll.text, "KERNEL32+0x") || strstr(dll.text, "kernelbase+0x")) != 0);
}
