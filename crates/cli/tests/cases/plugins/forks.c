// Forks while other threads open and close libraries; the child opens one, and calls what was not called before. The system's
// loader does not care for that, so this is not compared with what it does.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int value = 5;
int callback(int x) { return x + value; }
int one(int), two(int);
static volatile int stop;

static void *open_and_close(void *unused) {
    while (!stop) {
        void *plugin = dlopen("./libplugin.so", RTLD_NOW);
        if (plugin) dlclose(plugin);
        one(1);
    }
    return unused;
}

static int in_child(void) {
    alarm(60);
    void *plugin = dlopen("./libplugin.so", RTLD_LAZY);
    int (*run)(int) = plugin ? (int (*)(int))dlsym(plugin, "run") : 0;
    return run && run(1) == 6 && two(3) == 9;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, open_and_close, 0);
    int right = 0;
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) _exit(in_child() ? 7 : 1);
        int status;
        waitpid(child, &status, 0);
        right += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    }
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    printf("%d\n", right);
}
