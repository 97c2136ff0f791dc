// flags: -fno-pic
typedef int (*function)(int);
int library_function(int);
function other_direct(void) { return library_function; }
