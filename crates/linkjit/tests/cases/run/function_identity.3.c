// flags: -fPIC
#include <string.h>
typedef int (*function)(int);
int library_function(int x) { return x + 1; }
function library_pointer(void) { return library_function; }
void *library_strcmp(void) { return (void *)strcmp; }
