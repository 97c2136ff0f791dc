// Names that linkers define: where code, data and zeros begin and end, the program's header, its initializers.
// flags: -O0 -fPIE
// flags: -O2 -fPIC
// flags: -O1 -fno-pic
// expect: constructor
// expect: code 1 1 1
// expect: data 1 1 1 1
// expect: zeros 1 1 1 1
// expect: order 1 1 1 1
// expect: header 1 1 1
// expect: arrays 1 1 1 1 1
// expect: loader 1 1 1
// expect: unwind 1 1
// expect: destructor
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

extern char end[], _end[], etext[], _etext[], __etext[], edata[], _edata[], __bss_start[];
extern char data_start[], __data_start[], __executable_start[];
extern const Elf64_Ehdr __ehdr_start;
typedef void function(int, char **, char **);
extern function *__init_array_start[], *__init_array_end[], *__fini_array_start[], *__fini_array_end[];
extern function *__preinit_array_start[] __attribute__((weak)), *__preinit_array_end[] __attribute__((weak));
extern char __rela_iplt_start[] __attribute__((weak)), __rela_iplt_end[] __attribute__((weak));
extern const unsigned char __GNU_EH_FRAME_HDR[];
extern Elf64_Dyn _DYNAMIC[] __attribute__((weak));
extern void *__dso_handle;

int data = 1, zeros, other_data(void), other_zeros(void);
const char *address_of_other_data(void), *address_of_other_zeros(void);
static char scanned;

__attribute__((constructor)) static void begin(void) { puts("constructor"); }
__attribute__((destructor)) static void finish(void) { puts("destructor"); }

static int has(function **from, function **to, function *wanted) {
    for (; from < to; from++)
        if (*from == wanted) return 1;
    return 0;
}

int main(void) {
    const char *code = (const char *)main, *at_data = (const char *)&data, *at_zeros = (const char *)&zeros;
    printf("code %d %d %d\n", etext > code, _etext == etext && __etext == etext, __executable_start < code);
    printf("data %d %d %d %d\n", edata > at_data, edata == _edata, data_start == __data_start && data_start <= at_data,
           edata > address_of_other_data());
    printf("zeros %d %d %d %d\n", end > at_zeros, end == _end, __bss_start <= at_zeros,
           end > address_of_other_zeros() && __bss_start <= address_of_other_zeros());
    printf("order %d %d %d %d\n", etext <= edata, edata <= __bss_start, __bss_start <= end, data_start < end);
    // A collector reads all of it.
    for (const char *p = data_start; p < end; p += 512) scanned ^= *(volatile const char *)p;

    const Elf64_Ehdr *header = &__ehdr_start;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)((const char *)header + header->e_phoff);
    int executable = 0;
    for (int i = 0; i < header->e_phnum; i++)
        executable |= segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X;
    printf("header %d %d %d\n", memcmp(header->e_ident, ELFMAG, SELFMAG) == 0, header->e_machine == EM_X86_64, executable);

    printf("arrays %d %d %d %d %d\n", has(__init_array_start, __init_array_end, (function *)begin),
           has(__fini_array_start, __fini_array_end, (function *)finish), __preinit_array_start == __preinit_array_end,
           __rela_iplt_start == __rela_iplt_end, __init_array_end > __init_array_start);
    const struct r_debug *loader = 0;
    for (const Elf64_Dyn *entry = _DYNAMIC; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_DEBUG) loader = (const struct r_debug *)entry->d_un.d_ptr;
    printf("loader %d %d %d\n", _DYNAMIC != 0, loader && loader->r_version > 0, loader && loader->r_map->l_next != 0);
    printf("unwind %d %d\n", __GNU_EH_FRAME_HDR[0] == 1, &__dso_handle != 0);
    return 0;
}
