#include "crt.h"
extern int count;
static void end(void) { printf("destructor\n"); }
static int begin(void) {
    count += 10;
    atexit(end);
    return 0;
}
#ifdef _MSC_VER
#pragma section(".CRT$XIU", read)
__declspec(allocate(".CRT$XIU")) int (*const begin_pointer)(void) = begin;
#else
__attribute__((constructor(101))) static void begin_first(void) { begin(); }
#endif
int never_called(void) { return count; }
