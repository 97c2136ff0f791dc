// flags: -fPIC
#include "vague_functions.h"
extern "C" Identity library_identity() { return identity(); }
extern "C" Base *library_make() {
    static Derived<int> made;
    return &made;
}
