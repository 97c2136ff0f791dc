// flags: -fPIC
#include <stdlib.h>
#include <string.h>
typedef int (*function)(int);
int library_function(int);
function other_pic(void) { return library_function; }
void *pic_strcmp(void) { return (void *)strcmp; }
void *pic_qsort(void) { return (void *)qsort; }
