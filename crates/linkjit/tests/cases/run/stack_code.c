// Code that is written to the stack and called there, as an object in assembly asks for; what else is on it is as it was.
// flags: -O2
// link-flags: -z execstack
#include <stdio.h>

int on_stack(int number);

int main(void) {
    for (int i = 0; i < 3; i++) {
        printf("%d\n", on_stack(i));
    }
    return 0;
}
