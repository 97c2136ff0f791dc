// flags: -fPIC
int counter = 7;
extern int counter_alias __attribute__((weak, alias("counter")));
struct { char name[13]; short number; } packed = {"packed", -5};
const char *const constants[] = {"zero", "one"};
static int *pointer = &counter;
int library_get(void) { return counter; }
void library_set(int value) { counter = value; }
int *library_address(void) { return &counter_alias; }
int *library_pointer(void) { return pointer; }
int (*const library_function)(void) = library_get;
