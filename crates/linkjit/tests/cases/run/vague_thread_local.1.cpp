#include "vague_thread_local.h"
int unused_elsewhere() { return number + Slot<int>::value; }
