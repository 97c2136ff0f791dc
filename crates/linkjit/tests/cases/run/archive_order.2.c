#include <stdio.h>
__attribute__((constructor)) static void initialize(void) { puts("second"); }
int second(void) { return 1; }
