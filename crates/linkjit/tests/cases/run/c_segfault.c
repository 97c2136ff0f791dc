// flags: -O0
#include <stdio.h>

int main(int argc, char **argv) {
    puts("before");
    fflush(stdout);
    *(volatile int *)(long)(argc - 1) = 1;
}
