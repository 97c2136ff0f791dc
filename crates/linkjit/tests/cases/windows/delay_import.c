// compilers: msvc clang-gnu mingw
// flags: -O2
// options:
// options: --lazy
// expect: here 5 4660 3
// expect: helper: no_such.dll absent
// expect: helper: no_such.dll #7
// expect: absent -1 -1
// expect: helper: ucrtbase.dll no_such_function
// expect: lacking -1
// expect: again -1 -1
#include "crt.h"
// What a DLL has that is there, by name and by number; what is in none; what one lacks that is there.
int labs_of(int), absent(int), absent_number(int), lacking(int, double, int, double);
unsigned short htons(unsigned short);
double fabs_of(double);
int main(int argc, char **argv) {
    if (argc > 5) return absent(0) + lacking(0, 0, 0, 0);
    printf("here %d %d %d\n", labs_of(-5), htons(0x3412), (int)fabs_of(-3.5));
    int first = absent(1), second = absent_number(2);
    printf("absent %d %d\n", first, second);
    printf("lacking %d\n", lacking(1, 2, 3, 4));
    first = absent(1), second = lacking(1, 2, 3, 4);
    printf("again %d %d\n", first, second);
    return 0;
}
