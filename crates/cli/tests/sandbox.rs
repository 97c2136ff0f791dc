//! `linkjit run --sandbox`: what it forbids, and what it does not.
#![cfg(target_os = "linux")]

mod support;

use support::{Fixtures, Outcome};

/// Prints what the system says to what it tries: 0, or an error's number.
const TRIES: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <sched.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <sys/ptrace.h>
    #include <sys/resource.h>
    #include <sys/shm.h>
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

    /* Ends the new process at once, if there is one. */
    static long ended(long process) {
        if (process == 0)
            _exit(0);
        return process;
    }

    static long namespaces(void) {
        static const unsigned long flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
                                              CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWUSER | CLONE_NEWNS | CLONE_FS};
        for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
            if (ended(syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0)) > 0 || errno != EACCES)
                return 0;
        return -1;
    }

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
        tries("datagrams", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
        tries("raw datagrams", socketpair(AF_UNIX, SOCK_RAW, 0, pair));
        tries("memory of all", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
        tries("limits of others", prlimit(getppid(), RLIMIT_CPU, 0, 0));
    #ifdef __x86_64__
        tries("sockets by another number", syscall(0x40000000 | SYS_socket, AF_UNIX, SOCK_STREAM, 0));
    #else
        puts("sockets by another number: EACCES");
    #endif
        tries("namespaces", namespaces());
        tries("user of its own", unshare(CLONE_NEWUSER));
        unsigned long clone3[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
        tries("clone3", ended(syscall(SYS_clone3, clone3, sizeof clone3)));
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
        tries("process", ended(fork()));
        tries("program", system("true") ? -1 : 0);
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
datagrams: EACCES
raw datagrams: EACCES
memory of all: EACCES
limits of others: EACCES
sockets by another number: EACCES
namespaces: EACCES
user of its own: EACCES
clone3: ENOSYS
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
process: works
program: works
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

/// A function that can't be linked ends the program, and the directory that it may write in goes away then, too.
#[test]
fn nothing_is_left_of_programs_that_can_not_go_on() {
    let fixtures = Fixtures::new("sandbox-left");
    fixtures.c("main.o", "void missing(void); int main(void) { missing(); return 3; }");
    fixtures.c("missing.o", "void nowhere(void); void missing(void) { nowhere(); }");
    let scratch = fixtures.path("scratch");
    std::fs::create_dir(&scratch).expect("it is new");
    let mut command = fixtures.command(&["run", "--sandbox", "--lazy", "main.o", "missing.o"]);
    let outcome = Outcome::run(command.env("TMPDIR", &scratch));
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert_eq!(std::fs::read_dir(&scratch).expect("it is there").count(), 0);
}

#[test]
fn a_sandbox_is_for_children_only() {
    let fixtures = Fixtures::new("sandbox-executor");
    let outcome = fixtures.linkjit(&["run", "--sandbox", "--executor", "in-process", "any.o"]);
    assert!(outcome.err.contains("cannot be used with"), "{}", outcome.err);
}
