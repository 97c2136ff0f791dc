// Archive members are linked because something refers to them; their initializers run, those of others do not.
// archive: archive_order.1.c archive_order.2.c archive_order.3.c
#include <stdio.h>

int first(void);
__attribute__((constructor)) static void initialize(void) { puts("main"); }
int main(void) { printf("%d\n", first()); }
