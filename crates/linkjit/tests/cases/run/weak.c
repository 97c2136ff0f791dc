// Weak definitions that are overridden, weak references that stay null, aliases, visibility.
// flags: -O0 -fPIC
// flags: -O2 -fno-pic
// flags: -O2 -fPIE -ffunction-sections
#include <stdio.h>

__attribute__((weak)) const char *overridden(void) { return "weak"; }
__attribute__((weak)) const char *kept(void) { return "weak"; }
__attribute__((weak)) int overridden_value = 1;
extern __attribute__((weak)) int nowhere(void);
extern __attribute__((weak)) int nowhere_value;
extern __attribute__((weak)) int somewhere(void);
__attribute__((visibility("hidden"))) int hidden(void);
static int real(void) { return 33; }
int aliased(void) __attribute__((alias("real")));
int weakly_aliased(void) __attribute__((weak, alias("real")));
static int referenced(void) __attribute__((weakref("weak_reference")));
int protected_function(void);

int main(void) {
    printf("%s %s %d\n", overridden(), kept(), overridden_value);
    printf("%d %d %d\n", nowhere != 0, &nowhere_value != 0, somewhere ? somewhere() : 0);
    printf("%d %d %d\n", hidden(), aliased(), weakly_aliased());
    printf("%d %d\n", referenced != 0, protected_function());
}
