// Thread-local variables that the compilers' library has.
// compilers: clang-19
// flags: -O2 -femulated-tls -fPIC
// flags: -O0 -femulated-tls -fno-pic
// expect: 9 6
#include <stdio.h>
#include <pthread.h>
__thread int v = 5; static void*r(void*a){ v++; return (void*)(long)v; }
int main(void){ v=9; pthread_t t; pthread_create(&t,0,r,0); void*x; pthread_join(t,&x); printf("%d %ld\n", v,(long)x); }
