// compilers: msvc clang-gnu mingw
// flags: -O0
// flags: -O2
// expect: image valid
// expect: code .text, data .data, constant .rdata, stack none
// expect: all readable
// expect: main known 1, function known 1
// expect: sorted 1
// expect: thread-local 1 callbacks 1
// expect: base of code 1 data 1 system 1 nothing 1
// expect: fields 1
// A program that reads the header of its own image, as Microsoft's runtime does (_ValidateImageBase, _FindPESection), and
// walks its tables.
#include "crt.h"
extern unsigned char __ImageBase[];
__declspec(dllimport) void *RtlPcToFileHeader(void *, void **);
int variable = 5;
const int constant = 6;
__attribute__((noinline)) int function(int n) { volatile char room[100]; room[n] = (char)n; return room[n] + putchar(0); }
static unsigned u16(const unsigned char *at) { return at[0] | at[1] << 8; }
static unsigned u32(const unsigned char *at) { return u16(at) | u16(at + 2) << 16; }
static unsigned char *u64(const unsigned char *at) { return (unsigned char *)(u32(at) | (unsigned long long)u32(at + 4) << 32); }
static const unsigned char *nt(void) { return __ImageBase + u32(__ImageBase + 0x3c); }
static const unsigned char *section(int number) { return nt() + 24 + u16(nt() + 20) + number * 40; }
static int validate(void) {
    return u16(__ImageBase) == 0x5a4d && u32(nt()) == 0x4550 && u16(nt() + 4) == 0x8664 && u16(nt() + 24) == 0x20b;
}
static const char *section_of(const void *address) {
    unsigned long long rva = (unsigned char *)address - __ImageBase;
    for (int i = 0; i < (int)u16(nt() + 6); i++) {
        const unsigned char *at = section(i);
        if (rva >= u32(at + 12) && rva < (unsigned long long)u32(at + 12) + u32(at + 8)) return (const char *)at;
    }
    return "none";
}
static const unsigned char *directory(int number) { return nt() + 24 + 112 + number * 8; }
static int known(unsigned rva) {
    const unsigned char *table = __ImageBase + u32(directory(3));
    for (unsigned at = 0; at < u32(directory(3) + 4); at += 12) if (u32(table + at) == rva) return 1;
    return 0;
}
static int sorted(void) {
    const unsigned char *table = __ImageBase + u32(directory(3));
    for (unsigned at = 12; at < u32(directory(3) + 4); at += 12) if (u32(table + at) < u32(table + at - 12)) return 0;
    return 1;
}
static int fields(void) {
    const unsigned char *optional = nt() + 24;
    unsigned last = u32(section(2) + 12) + u32(section(2) + 8);
    return u64(optional + 24) == __ImageBase && u32(optional + 32) == 0x1000 && u32(optional + 56) >= last
        && u32(optional + 60) == 0x1000 && u32(section(0) + 12) >= u32(optional + 60);
}
#ifdef _MSC_VER
__declspec(thread) int local = 7;
#else
extern int _tls_index;
#endif
#ifdef _MSC_VER
static int local_found(void) {
    const unsigned char *tls = __ImageBase + u32(directory(9));
    extern unsigned _tls_index;
    unsigned char *begin = u64(tls), *end = u64(tls + 8);
    int found = 0;
    for (; begin + 4 <= end; begin += 4) found |= u32(begin) == (unsigned)local;
    return found && u32(u64(tls + 16)) == _tls_index;
}
static int callbacks(void) { return u64(u64(__ImageBase + u32(directory(9)) + 24)) != 0; }
#else
static int local_found(void) { return 1; }
static int callbacks(void) { return 1; }
#endif
int main(void) {
    int on_stack;
    printf("image %s\n", validate() ? "valid" : "not valid");
    printf("code %.8s, data %.8s, constant %.8s, stack %.8s\n", section_of((void *)function), section_of(&variable), section_of(&constant), section_of(&on_stack));
    volatile unsigned char *byte; int sum = 0;
    for (int i = 0; i < 3; i++) for (byte = __ImageBase + u32(section(i) + 12); byte < __ImageBase + u32(section(i) + 12) + u32(section(i) + 8); byte += 512) sum += *byte;
    puts(sum ? "all readable" : "nothing");
    printf("main known %d, function known %d\n", known((unsigned char *)main - __ImageBase), known((unsigned char *)function - __ImageBase));
    printf("sorted %d\n", sorted());
    printf("thread-local %d callbacks %d\n", local_found(), callbacks());
    void *base[4], *kernel = GetModuleHandleA("kernel32.dll");
    void *code = RtlPcToFileHeader((void *)main, &base[0]), *data = RtlPcToFileHeader(&variable, &base[1]);
    void *system = RtlPcToFileHeader(GetProcAddress(kernel, "GetVersion"), &base[2]), *none = RtlPcToFileHeader(&on_stack, &base[3]);
    printf("base of code %d data %d system %d nothing %d\n", code == __ImageBase && base[0] == code, data == __ImageBase && base[1] == data, system != 0 && base[2] == system, none == 0 && base[3] == 0);
    printf("fields %d\n", fields());
    return 0;
}
