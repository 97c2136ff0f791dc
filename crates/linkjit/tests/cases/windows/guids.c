// compilers: msvc clang-gnu
// flags: -O0
// flags: -O2
// expect: unknown 00000000 0000 c0 46
// expect: null 1 dispatch 00020400
// expect: link 00021401 1
// expect: copied 1
// expect: own 7
// expect: key f29f85e0 2
// expect: disk 53f56307 format 1
// Identifiers that uuid.lib holds; a program may have its own.
#include "crt.h"
typedef struct { unsigned long data1; unsigned short data2, data3; unsigned char data4[8]; } GUID;
extern const GUID IID_IUnknown, GUID_NULL, IID_IDispatch, CLSID_ShellLink, IID_IShellLinkW, FOLDERID_Desktop;
extern const GUID GUID_DEVINTERFACE_DISK, FOLDERTYPEID_Documents, VID_LargeIcons, PARTITION_SYSTEM_GUID;
typedef struct { GUID format; unsigned long number; } PROPERTYKEY;
extern const PROPERTYKEY PKEY_Title, PKEY_Author;
const GUID IID_IPersistFile = {7};
static const GUID *volatile table[] = {&IID_IUnknown, &FOLDERID_Desktop};
int memcmp(const void *, const void *, size_t_);
int main(void) {
    const GUID *volatile unknown = &IID_IUnknown;
    printf("unknown %08lx %04x %x %x\n", unknown->data1, unknown->data2, unknown->data4[0], unknown->data4[7]);
    GUID zeros = {0};
    printf("null %d dispatch %08lx\n", !memcmp(&GUID_NULL, &zeros, sizeof zeros), IID_IDispatch.data1);
    printf("link %08lx %d\n", CLSID_ShellLink.data1, IID_IShellLinkW.data1 == 0x214f9);
    volatile GUID copy = FOLDERID_Desktop;
    printf("copied %d\n", copy.data1 == table[1]->data1 && table[0] == unknown && copy.data1 == 0xb4bfcc3a);
    printf("own %lu\n", IID_IPersistFile.data1);
    printf("key %08lx %lu\n", PKEY_Title.format.data1, PKEY_Title.number);
    const GUID *volatile others[] = {&FOLDERTYPEID_Documents, &VID_LargeIcons, &PARTITION_SYSTEM_GUID, &PKEY_Author.format};
    printf("disk %08lx format %d\n", GUID_DEVINTERFACE_DISK.data1, others[3]->data1 == 0xf29f85e0 && others[2]->data1 == 0xc12a7328);
    return 0;
}
