// Stacks in pieces: each function that needs more calls the compilers' library.
// flags: -O0 -fsplit-stack -fPIC
// flags: -O2 -fsplit-stack -fno-pic
// expect: 100000
#include <stdio.h>
static int depth(int n){ volatile char pad[4000]; pad[0]=n; return n==0?0:1+depth(n-1)+(pad[0]&0); }
int main(void){ printf("%d\n", depth(100000)); return 0; }
