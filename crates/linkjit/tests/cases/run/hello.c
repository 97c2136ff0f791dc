// flags: -O0
// flags: -O1 -fPIC -g
// flags: -O2 -fPIE -ffunction-sections -fdata-sections
// flags: -O3 -fno-plt -fPIC
// run-args: one two
// expect: hello, 3 arguments: program one two
// exit: 7
#include <stdio.h>

int main(int argc, char **argv) {
    printf("hello, %d arguments:", argc);
    for (int i = 0; i < argc; i++) printf(" %s", argv[i]);
    printf("\n");
    return 7;
}
