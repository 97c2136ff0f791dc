#include <stdio.h>
__attribute__((constructor)) static void initialize(void) { puts("nobody wants this"); }
int third(void) { return 2; }
