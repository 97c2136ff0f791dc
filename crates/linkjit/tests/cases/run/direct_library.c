// A shared library's variables, changed on one side and read on the other; one object is PIC, one is not.
// shared: direct_library.2.c
// flags: -O0 -fno-pic
// flags: -O2 -fno-pic
// flags: -O2 -fPIE
#include <stdio.h>

extern int counter, counter_alias;
extern struct { char name[13]; short number; } packed;
extern const char *const constants[];
extern int (*const library_function)(void);
int library_get(void);
void library_set(int);
int *library_address(void), *library_pointer(void), *table_address(void);
int table_get(void);
int (*table_function(void))(void);

int main(void) {
    counter = 9;
    printf("%d %d %d\n", library_get(), table_get(), counter_alias);
    library_set(11);
    printf("%d %d %d\n", counter, table_get(), counter_alias);
    printf("%d %d %d\n", &counter == library_address(), &counter == library_pointer(), &counter == table_address());
    printf("%s %d %s\n", packed.name, packed.number, constants[1]);
    int (*volatile function)(void) = library_get;
    printf("%d %d\n", function == table_function(), function());
    return library_function();
}
