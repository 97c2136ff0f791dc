// compilers: msvc
// expect: begin
// exit: 3
#include "crt.h"
#pragma comment(linker, "/entry:begin")
int begin(void) { puts("begin"); return 3; }
