// The language C: all kinds of linkage and names that clang gives to things.
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>

struct point { int x, y; long more[4]; };
static struct point origin = {1, 2, {3}};
static const char *const names[] = {"zero", "one", "two"};
static int hidden_count;
int common_value;
__thread int thread_value = 4;
static __thread int local_thread_value;
extern int missing(void) __attribute__((weak));
static jmp_buf back;

static struct point moved(struct point p, int by) { p.x += by; p.more[3] = p.x * by; return p; }

static int next(void) { static int calls; return ++calls; }

static int sum(int n, ...) {
    va_list list;
    va_start(list, n);
    int total = 0;
    while (n--) total += va_arg(list, int);
    va_end(list);
    return total;
}

__attribute__((noinline)) int choose(int x) {
    switch (x) {
    case 0: return 5;
    case 1: return 9;
    case 2: return -3;
    case 3: return 44;
    case 4: return 12;
    default: return 1;
    }
}

__attribute__((noinline)) const char *word(int x) {
    switch (x) {
    case 0: return "a";
    case 1: return "bc";
    case 2: return "def";
    case 3: return "ghij";
    default: return "many";
    }
}

__attribute__((noinline)) static int jumping(int x) {
    static void *table[] = {&&one, &&two, &&three};
    goto *table[x % 3];
one: return 1;
two: return 22;
three: return 333;
}

__attribute__((used, noinline)) static int by_assembly(void) { return 77; }
int calls_assembly(void) {
    int result;
    __asm__ volatile("call by_assembly" : "=a"(result) : : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    return result;
}
__asm__(".globl of_assembly\n.type of_assembly, @function\nof_assembly:\n  movl $21, %eax\n  ret\n");
extern int of_assembly(void);

int base(int x) { return x + 100; }
static int same(int) __attribute__((alias("base")));
int weak_same(int) __attribute__((weak, alias("base")));
__attribute__((weak)) int replaceable(void) { return 8; }

static int fast(void) { return 64; }
static int (*resolve(void))(void) { return fast; }
int resolved(void) __attribute__((ifunc("resolve")));

static __attribute__((constructor)) void early(void) { hidden_count = 10; puts("early"); }
static __attribute__((destructor)) void late(void) { printf("late %d\n", hidden_count); }

static int (*const operations[])(int) = {base, choose};
__attribute__((noinline)) static void leave(int code) { longjmp(back, code); }

int main(int argc, char **argv) {
    struct point p = moved(origin, argc);
    printf("%d %ld %s %s\n", p.x, p.more[3], names[argc], argv[1]);
    printf("%d %d\n", next() * 10 + next(), sum(4, 1, 2, 3, argc));
    for (int i = 0; i < 6; i++) printf("%d %s %d;", choose(i), word(i), jumping(i));
    thread_value += argc, local_thread_value -= argc, common_value = 3, hidden_count++;
    printf("\n%d %d %d\n", thread_value, local_thread_value, common_value);
    printf("%d %d %d\n", calls_assembly(), of_assembly(), missing ? missing() : -1);
    printf("%d %d %d %d\n", same(1), weak_same(2), replaceable(), resolved());
    printf("%d %d\n", operations[0](5), operations[argc - 1](4));
    int code = setjmp(back);
    if (!code) leave(6);
    printf("%d\n", code);
    return choose(3);
}
