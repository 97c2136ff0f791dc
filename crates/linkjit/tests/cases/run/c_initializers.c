// Constructors, destructors, .preinit_array, .init_array by hand, arguments of constructors, atexit, on the way out.
// flags: -O0
// flags: -O2 -fPIC
// flags: -O2 -fno-pic
// run-args: x y
#include <stdio.h>
#include <stdlib.h>

static int count;
static void before(int argc, char **argv, char **envp) {
    printf("init %d: argc %d, %s, env %d\n", ++count, argc, argv[argc - 1], envp != 0);
}
__attribute__((section(".init_array"), used)) static void (*by_hand)(int, char **, char **) = before;
__attribute__((section(".init_array.00110"), used)) static void (*by_hand_110)(int, char **, char **) = before;
__attribute__((constructor(101))) static void c101(int argc, char **argv) { printf("101: %d %s\n", argc, argv[1]); }
__attribute__((constructor(65534))) static void c65534(void) { puts("65534"); }
__attribute__((constructor)) static void c1(void) { puts("c1"); }
__attribute__((constructor)) static void c2(void) { puts("c2"); }
__attribute__((destructor)) static void d1(void) { puts("d1"); }
__attribute__((destructor)) static void d2(void) { puts("d2"); }
__attribute__((destructor(101))) static void d101(void) { puts("d101"); }
static void at_exit_1(void) { puts("atexit 1"); }
static void at_exit_3(void) { puts("atexit 3, registered at exit"); }
static void at_exit_2(void) {
    puts("atexit 2");
    atexit(at_exit_3);
}
static void on_exit_function(int code, void *arg) { printf("on_exit %d %s\n", code, (char *)arg); }
int on_exit(void (*)(int, void *), void *);
void leave(int code);

int main(void) {
    atexit(at_exit_1);
    atexit(at_exit_2);
    on_exit(on_exit_function, "argument");
    puts("main");
    leave(5);
    puts("not reached");
}
