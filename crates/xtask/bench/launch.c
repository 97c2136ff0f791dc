// launch OUTPUT COMMAND ARGUMENT... [; COMMAND ARGUMENT...]...
//
// Runs the commands one after the other, with their output in the file OUTPUT, up to the first that fails. Prints
// "wall_us user_us sys_us peak_rss_kb exit_code signal" of all of them together; the last two are of the last command
// run.
//
// A child counts the memory of the process that started it until it calls exec, so the launcher is this small
// program, not the harness.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_UNTIL_HUNG = 120 };

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long micros(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (in < 0 || out < 0) return 2;

    long long user = 0, sys = 0, start = now_us();
    long rss = 0;
    int status = 0;
    for (char **command = argv + 2; *command && status == 0;) {
        char **end = command;
        while (*end && strcmp(*end, ";") != 0) end++;
        char **next = *end ? end + 1 : end;
        *end = NULL;
        pid_t child = vfork();
        if (child == 0) {
            dup2(in, 0);
            dup2(out, 1);
            dup2(out, 2);
            alarm(SECONDS_UNTIL_HUNG);
            execvp(command[0], command);
            _exit(127);
        }
        struct rusage usage;
        if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 2;
        user += micros(usage.ru_utime);
        sys += micros(usage.ru_stime);
        if (usage.ru_maxrss > rss) rss = usage.ru_maxrss;
        command = next;
    }
    printf("%lld %lld %lld %ld %d %d\n", now_us() - start, user, sys, rss, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
           WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 0;
}
