#include <stdio.h>
int second(void);
__attribute__((constructor)) static void initialize(void) { puts("first"); }
int first(void) { return second() + 1; }
