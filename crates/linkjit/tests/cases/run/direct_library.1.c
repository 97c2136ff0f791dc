// flags: -fPIC
extern int counter;
int library_get(void);
int table_get(void) { return counter; }
int *table_address(void) { return &counter; }
int (*table_function(void))(void) { return library_get; }
