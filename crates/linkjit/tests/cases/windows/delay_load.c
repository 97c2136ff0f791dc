// compilers: msvc
// flags: -O1 -fasync-exceptions
// expect: missing c06d007e no_such_of_this.dll number 7
// expect: lacking c06d007f ucrtbase.dll no_such_function
// expect: found by the handler 12
// What the helper of delayed loading does that the runtime has, for what is missing: an exception that says what.
#include "crt.h"
int numbered(int), lacking(int);
struct Information { unsigned size; const void *descriptor; void **slot; const char *dll; int by_name; union { const char *name; unsigned number; }; void *module, *function; unsigned error; };
struct Record { unsigned code, flags; struct Record *next; void *address; unsigned count; struct Information *information; };
struct Pointers { struct Record *record; void *context; };
static struct Information seen;
static unsigned code;
static int filter(struct Pointers *pointers) {
    code = pointers->record->code;
    seen = *pointers->record->information;
    return (code >> 16) == 0xc06d;
}
static int twelve(int argument) { return 12; }
static long go_on(struct Pointers *pointers) {
    if ((pointers->record->code >> 16) != 0xc06d) return 0;
    pointers->record->information->function = (void *)twelve;
    return -1;
}
__declspec(dllimport) void *AddVectoredExceptionHandler(unsigned, long (*)(struct Pointers *));
#define exception_information _exception_info
void *_exception_info(void);
int main(void) {
    __try { numbered(1); } __except (filter(exception_information())) {
        printf("missing %x %s number %u\n", code, seen.dll, seen.by_name ? 0 : seen.number);
    }
    __try { lacking(1); } __except (filter(exception_information())) {
        printf("lacking %x %s %s\n", code, seen.dll, seen.by_name ? seen.name : "");
    }
    AddVectoredExceptionHandler(1, go_on);
    printf("found by the handler %d\n", numbered(1));
    return 0;
}
