// Thread-local variables of a shared library, and a library's references to ours.
// shared: tls_library.1.c
// flags: -O2 -fPIC
// flags: -O2 -fPIC -mtls-dialect=gnu2
// flags: -O2 -fPIC -ftls-model=initial-exec
#include <pthread.h>
#include <stdio.h>

extern __thread int library_variable;
extern __thread char library_zeros[100];
int library_read(void);

static void *work(void *argument) {
    library_variable += (int)(long)argument;
    library_zeros[99]++;
    printf("%d %d %d\n", library_variable, library_read(), library_zeros[99]);
    return 0;
}
int main(void) {
    pthread_t thread;
    pthread_create(&thread, 0, work, (void *)5);
    pthread_join(thread, 0);
    work((void *)1);
}
