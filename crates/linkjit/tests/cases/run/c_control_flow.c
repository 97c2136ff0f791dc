// setjmp and longjmp, computed goto, switch tables, alloca, variable arguments, frame addresses, nested loops.
// flags: -O0
// flags: -O1 -fPIC
// flags: -O2 -fno-pic
// flags: -O3 -fPIE -g
#include <alloca.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static jmp_buf environment;
static void deep(int n) {
    char *memory = alloca(n + 1);
    memset(memory, 'x', n);
    memory[n] = 0;
    if (n == 20) longjmp(environment, (int)strlen(memory));
    deep(n + 1);
}

static int interpret(const char *code) {
    static void *const labels[] = {&&push, &&add, &&multiply, &&stop};
    int stack[16], top = 0;
    goto *labels[(int)*code++];
push:
    stack[top++] = *code++;
    goto *labels[(int)*code++];
add:
    top--;
    stack[top - 1] += stack[top];
    goto *labels[(int)*code++];
multiply:
    top--;
    stack[top - 1] *= stack[top];
    goto *labels[(int)*code++];
stop:
    return stack[0];
}

__attribute__((noinline)) static const char *month(int n) {
    switch (n) {
    case 1: return "January";
    case 2: return "February";
    case 3: return "March";
    case 4: return "April";
    case 5: return "May";
    case 6: return "June";
    case 7: return "July";
    case 8: return "August";
    default: return "later";
    }
}

__attribute__((noinline)) static int jumps(int n, int x) {
    switch (n) {
    case 0: return x * 3;
    case 1: return x - 7;
    case 2: return x << 2;
    case 3: return x ^ 0x55;
    case 4: return x / 3;
    case 5: return -x;
    case 6: return x % 11;
    default: return 0;
    }
}

__attribute__((noinline)) static double sum(int count, ...) {
    va_list args;
    va_start(args, count);
    double total = 0;
    for (int i = 0; i < count; i++) total += i % 2 ? va_arg(args, double) : va_arg(args, int);
    va_end(args);
    return total;
}

int main(void) {
    int jumped = setjmp(environment);
    if (!jumped) deep(1);
    printf("jumped %d\n", jumped);
    printf("computed %d\n", interpret("\0\5\0\7\1\0\3\2\3"));
    for (int i = 0; i < 10; i++) printf("%s %d\n", month(i), jumps(i, 100 + i));
    printf("%g\n", sum(5, 1, 2.5, 3, 4.25, 5));
    printf("%d\n", __builtin_frame_address(0) != 0 && __builtin_return_address(0) != 0);
}
