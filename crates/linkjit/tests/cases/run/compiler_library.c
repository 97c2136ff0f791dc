// What compilers link by themselves: functions of their own library, from 128-bit division to half precision.
// flags: -O2 -fPIC
// flags: -O0 -fno-pic
#include <stdio.h>
#include <complex.h>
volatile double d = 2.5;
int main(int argc, char**argv){
 volatile unsigned __int128 a = ((unsigned __int128)argc<<90)+7, b = 1000003;
 volatile __int128 s = -(__int128)a;
 printf("%llu %llu %lld %lld\n",(unsigned long long)(a/b),(unsigned long long)(a%b),(long long)(s/(__int128)b),(long long)(s%(__int128)b));
 volatile float complex cf = 1+2*I; cf = cf*cf/(cf+1); volatile double complex cd = 3-I; cd=cd*cd/(cd+2); volatile long double complex cx = 2+I; cx = cx*cx/(cx+3);
 printf("%g %g %g\n", creal(cf), cimag(cd), (double)creall(cx));
 volatile __float128 q = argc; q = q/3 + 2*q; printf("%.4f %d %lld\n", (double)q, (int)q, (long long)(__int128)q);
 printf("%d %d %d\n", __builtin_popcountll(argc+255), __builtin_parity(argc), __builtin_cpu_supports("sse2")!=0);
 printf("%.3f %.3f\n", (double)(float)(__int128)a, __builtin_powi(d, argc+2));
 volatile _Float16 h = 1.5f16; h = h*h; printf("%.3f\n", (double)h);
 return argv[argc]!=0; }
