// flags: -fPIC
#include "vague_thread_local.h"
extern "C" int *library_variable(int which) {
    return which == 0 ? &number : which == 1 ? &Slot<int>::value : &local();
}
extern "C" int library_add(int x) {
    number += x;
    return number + Slot<int>::value;
}
