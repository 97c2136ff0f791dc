// Opens a library whose initializer waits for another thread, which calls functions meanwhile that were not called before.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

int one(int), two(int), three(int), four(int);
int (*volatile functions[])(int) = {one, two, three, four};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int begun, result;

static void *other(void *unused) {
    pthread_mutex_lock(&lock);
    while (!begun)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += functions[i](100);
    pthread_mutex_lock(&lock);
    result = sum;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return unused;
}

// Called by the library's initializer.
int wait_for_other(int x) {
    pthread_mutex_lock(&lock);
    begun = 1;
    pthread_cond_broadcast(&changed);
    while (!result)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return x + result;
}

int main(void) {
    // A test that hangs is to end.
    alarm(60);
    pthread_t thread;
    pthread_create(&thread, 0, other, 0);
    void *plugin = dlopen("./libplugin.so", RTLD_NOW);
    if (!plugin) {
        puts(dlerror());
        return 1;
    }
    pthread_join(thread, 0);
    int (*run)(int) = (int (*)(int))dlsym(plugin, "run");
    printf("%d\n", run(1000));
    return 0;
}
