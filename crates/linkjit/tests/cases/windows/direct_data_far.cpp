// compilers: msvc
// flags: -O1
// options: --lazy
// error: direct_data_far.1.cpp
// error: declare the target as __declspec(dllimport)
// What code that is linked later loads from a DLL's variable directly can't be reached, if the image is elsewhere.
#include "crt.h"
extern "C" int later(void);
int main() {
    puts("first");
    return later();
}
