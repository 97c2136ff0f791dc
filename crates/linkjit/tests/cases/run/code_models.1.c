// flags: -mcmodel=small
char large_of_other[2 << 20];
int call_back(int (*function)(int), int n) { return function(n) + 1; }
