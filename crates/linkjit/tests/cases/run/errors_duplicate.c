// error: duplicate definition of symbol 'twice'
// error: errors_duplicate.c.o
// error: errors_duplicate.1.c.o
// compilers: gcc
int twice(int n) { return 2 * n; }
int main(void) { return twice(0); }
