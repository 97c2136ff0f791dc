//! `linkjit run --sandbox`: what it forbids, and what it does not.
#![cfg(target_os = "linux")]

mod support;

use support::Fixtures;

/// Prints what the system says to what it tries: 0, or an error's number.
const TRIES: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <sys/ptrace.h>
    #include <sys/resource.h>
    #include <sys/socket.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static void tries(const char *what, long result) {
        printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "works");
    }

    static long writes(const char *path) {
        int file = open(path, O_WRONLY | O_CREAT, 0600);
        return file < 0 ? file : write(file, "x", 1);
    }

    static void *nothing(void *argument) { return argument; }

    int main(void) {
        char path[4096];
        struct rlimit limit;
        int pair[2];
        pthread_t thread;
        tries("file here", writes("written"));
        tries("existing file", writes("existing"));
        tries("removal", unlink("existing"));
        tries("directory", mkdir("directory", 0700));
        tries("shared memory", writes("/dev/shm/linkjit-sandbox-test"));
        snprintf(path, sizeof path, "/proc/%d/mem", getppid());
        tries("session's memory", open(path, O_RDONLY));
        tries("trace", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
        tries("internet", socket(AF_INET, SOCK_STREAM, 0));
        tries("sockets", socket(AF_UNIX, SOCK_STREAM, 0));
        tries("ring", syscall(SYS_io_uring_setup, 1, path));
        tries("typing", ioctl(0, TIOCSTI, "x"));
        tries("file by another process", system("exec 2>/dev/null; echo > written") ? (errno = EACCES, -1) : 0);
        snprintf(path, sizeof path, "%s/scratch", getenv("TMPDIR"));
        tries("scratch file", writes(path));
        tries("its removal", unlink(path));
        tries("nothing", writes("/dev/null"));
        tries("reading", open("existing", O_RDONLY));
        tries("library", dlopen("libm.so.6", RTLD_NOW) ? 0 : -1);
        tries("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        tries("thread", -pthread_create(&thread, 0, nothing, 0));
        tries("memory", malloc(64 << 20) ? 0 : -1);
        fprintf(stderr, "%s", kill(getppid(), 0) ? "" : "signals");
        getrlimit(RLIMIT_CORE, &limit);
        tries("no core", limit.rlim_max ? -1 : 0);
        return 3;
    }"#;

const SAID: &str = "\
file here: EACCES
existing file: EACCES
removal: EACCES
directory: EACCES
shared memory: EACCES
session's memory: EACCES
trace: EACCES
internet: EACCES
sockets: EACCES
ring: EACCES
typing: EACCES
file by another process: EACCES
scratch file: works
its removal: works
nothing: works
reading: works
library: works
pair: works
thread: works
memory: works
no core: works
";

#[test]
fn programs_in_a_sandbox_write_and_reach_nothing() {
    let fixtures = Fixtures::new("sandbox");
    fixtures.write("existing", "contents");
    fixtures.c("tries.o", TRIES);
    let outcome = fixtures.linkjit(&["run", "--sandbox", "tries.o"]);
    assert_eq!((&*outcome.out, outcome.code), (SAID, Some(3)));
    // Since Linux 6.12.
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
    let numbers: Vec<u32> = release.split('.').map_while(|number| number.parse().ok()).collect();
    assert_eq!(outcome.err, if numbers < vec![6, 12] { "signals" } else { "" });
    assert!(!fixtures.path("written").exists());
}

#[test]
fn a_sandbox_is_for_children_only() {
    let fixtures = Fixtures::new("sandbox-executor");
    let outcome = fixtures.linkjit(&["run", "--sandbox", "--executor", "in-process", "any.o"]);
    assert!(outcome.err.contains("cannot be used with"), "{}", outcome.err);
}
