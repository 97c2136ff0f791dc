int present(void) { return 2; }
extern int included;
void force_me(void) {}
static void set(void) { included = 1; }
__attribute__((section(".CRT$XCU"), used)) static void (*const initializer)(void) = set;
