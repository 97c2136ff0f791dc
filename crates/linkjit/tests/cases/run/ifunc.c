// Indirect functions: called and taken the address of, in their own object and in others, in data, through pointers.
// flags: -O0 -fPIC
// flags: -O2 -fPIC
// flags: -O2 -fPIE
// flags: -O2 -fno-pic
// flags: -O2 -fPIC -fno-plt
#include <stdio.h>

static int fast(int n) { return n * 2; }
static int slow(int n) { return n + n + 1; }
static volatile int use_fast = 1;
static int (*resolve(void))(int) { return use_fast ? fast : slow; }
int twice(int) __attribute__((ifunc("resolve")));
static int local_twice(int) __attribute__((ifunc("resolve")));
int (*pointer)(int) = twice;
static int (*const local_pointer)(int) = local_twice;
int call_twice(int n);
int (*twice_of_other(void))(int);
int other_indirect(int n);

int main(void) {
    printf("%d %d %d %d\n", twice(1), local_twice(2), pointer(3), local_pointer(4));
    printf("%d %d\n", call_twice(5), other_indirect(6));
    printf("%d %d\n", twice_of_other() == twice, twice_of_other()(7));
    printf("%d\n", pointer == twice);
}
