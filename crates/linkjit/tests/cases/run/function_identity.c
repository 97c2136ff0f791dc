// A function of a library has one address, for code that refers to it directly, by a table, and for the library itself.
// flags: -O2 -fno-pic
// flags: -O0 -fPIE
// flags: -O2 -fPIC
// compilers: gcc clang-19
// shared: function_identity.3.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*function)(int);
int library_function(int);
function library_pointer(void);
function other_pic(void);
function other_direct(void);
void *pic_strcmp(void);
void *library_strcmp(void);
void *pic_qsort(void);
function in_data = library_function;
static const function in_table[] = {library_function, 0};

int main(void) {
    function here = library_function;
    printf("%d %d %d\n", here == library_pointer(), here == other_pic(), here == other_direct());
    printf("%d %d %d\n", here == in_data, here == in_table[0], here(20));
    printf("%d %d\n", (void *)strcmp == pic_strcmp(), (void *)strcmp == library_strcmp());
    printf("%d\n", (void *)qsort == pic_qsort());
}
