// Functions within functions whose addresses are taken: trampolines on the stacks of all threads.
// compilers: gcc
// flags: -O0
// flags: -O2 -fno-pic
// flags: -O2 -fPIC -fstack-protector-strong
// link-flags: -z execstack
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int apply(int (*function)(int), int x) {
    return function(x);
}

static void *thread(void *argument) {
    int added = *(int *)argument;
    int add(int x) {
        return x + added;
    }
    printf("%d\n", apply(add, 1));
    return NULL;
}

static void handler(int signal) {
    thread(&signal);
}

static void sort(int *numbers, size_t count, int sign) {
    int compare(const void *a, const void *b) {
        return sign * (*(const int *)a - *(const int *)b);
    }
    qsort(numbers, count, sizeof *numbers, compare);
}

__attribute__((constructor)) static void initializer(void) {
    int added = 5;
    thread(&added);
}

int main(void) {
    int added = 41, numbers[] = {3, 1, 2};
    thread(&added);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, thread, &added);
        pthread_join(threads[i], NULL);
    }
    sort(numbers, 3, -1);
    printf("%d %d %d\n", numbers[0], numbers[1], numbers[2]);
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    return 0;
}
