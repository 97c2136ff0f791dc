__thread int library_variable = 100;
__thread char library_zeros[100];
int library_read(void) { return library_variable; }
