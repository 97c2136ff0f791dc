// A conservative garbage collector finds the global and static variables of linked code among its roots.
// flags: -O2
// flags: -O0 -fno-pic
// flags: -O1 -fPIC
// compilers: gcc clang-19
// libs: gc
#include <gc/gc.h>
#include <stdio.h>

struct node {
    struct node *next;
    long value;
};
static struct node *list;
struct node *other_list = (struct node *)1;
extern struct node *in_other_object;
static int finalized;

static void finalize(void *object, void *data) { finalized++; }

__attribute__((noinline)) static void build(struct node **into) {
    *into = 0;
    for (int i = 0; i < 500; i++) {
        struct node *node = GC_MALLOC(sizeof *node);
        node->value = i;
        node->next = *into;
        *into = node;
        GC_register_finalizer_no_order(node, finalize, 0, 0, 0);
    }
}

__attribute__((noinline)) static void churn(void) {
    for (int i = 0; i < 50000; i++) ((struct node *)GC_MALLOC(64))->value = -1;
}

__attribute__((noinline)) static void clear_stack(void) {
    volatile char bytes[20000];
    for (int i = 0; i < 20000; i++) bytes[i] = 0;
}

static long sum(struct node *node) {
    long sum = 0;
    for (int count = 0; node && count < 1000; node = node->next, count++) sum += node->value;
    return sum;
}

int main(void) {
    GC_INIT();
    build(&list);
    build(&other_list);
    build(&in_other_object);
    clear_stack();
    for (int i = 0; i < 3; i++) {
        churn();
        GC_gcollect();
        GC_invoke_finalizers();
    }
    printf("%ld %ld %ld, finalized %d\n", sum(list), sum(other_list), sum(in_other_object), finalized);
}
