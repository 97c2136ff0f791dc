// dlopen, dlsym and dladdr from linked code, of system libraries.
// flags: -O2 -fPIC
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
    printf("%d %.3f\n", library != 0, cosine(1));
    printf("%d\n", dlsym(RTLD_DEFAULT, "strlen") != 0);
    printf("%d\n", dlsym(RTLD_DEFAULT, "no_such_function") != 0);
    printf("%d\n", dlopen("/no/such/library.so", RTLD_NOW) != 0);
    printf("%d\n", strstr(dlerror(), "no/such/library") != 0);
    Dl_info info;
    int found = dladdr((void *)cosine, &info);
    printf("%d %d\n", found != 0, strstr(info.dli_fname, "libm") != 0);
    printf("%d\n", dlclose(library));
}
