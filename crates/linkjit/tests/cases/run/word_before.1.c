// flags: -fsanitize=function
#include <stdio.h>
#include <stdlib.h>

int (*get(void))(int);

void __ubsan_handle_function_type_mismatch(void *data, unsigned long function) {
    (void)data, (void)function;
    puts("mismatch");
}

__attribute__((noinline)) static int call(int (*function)(int), int x) {
    return function(x);
}

static int typed(int x) {
    return x + 2;
}

int main(void) {
    printf("%d %d %d\n", call(get(), 1), call(typed, 1), call(abs, -7));
    return 0;
}
