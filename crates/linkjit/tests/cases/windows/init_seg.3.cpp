#include "crt.h"
#include "init_seg.h"
// In a section of its own, which is no COMDAT section either.
#pragma section(".own", read, write)
#pragma init_seg(user)
__declspec(allocate(".own")) Say user_3("user of 3", true);
