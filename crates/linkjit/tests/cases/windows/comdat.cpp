// compilers: msvc
// flags: -O0
// flags: -O2
// options:
// options: --lazy
// expect: one function 1
// expect: one variable 1
// expect: template 3
// expect: selectany 4
// expect: one guard 1
// expect: virtual 8 6
#include "crt.h"
#include "comdat.h"
const void *other_function();
const int *other_variable();
Shape *other_shape();
int other_guarded();
int main() {
    printf("one function %d\n", other_function() == (const void *)shared_function);
    printf("one variable %d\n", other_variable() == &shared_variable);
    printf("template %d\n", add<int>(1, 2));
    printf("selectany %d\n", any);
    printf("one guard %d\n", guarded() == other_guarded());
    Square square;
    printf("virtual %d %d\n", square.area(), other_shape()->area());
}
