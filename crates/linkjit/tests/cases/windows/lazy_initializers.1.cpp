#include "crt.h"
extern "C" int count;
struct Global {
    Global() {
        printf("global of C++\n");
        count += 2;
    }
    ~Global() { printf("end of C++\n"); }
} global;
int never() { return count; }
