// error: undefined symbol: main
// compilers: gcc
int Main(void) { return 0; }
