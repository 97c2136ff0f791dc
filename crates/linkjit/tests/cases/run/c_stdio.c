// Data of the C library: stdout, stdin, environ, errno, optarg, program_invocation_name.
// flags: -O2 -fPIC
// run-args: -a value -b
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    fprintf(stdout, "stdout %d\n", stdin != stderr);
    errno = 0;
    int fd = open("/does/not/exist", O_RDONLY);
    printf("%d %d %s\n", fd, errno == ENOENT, strerror(errno));
    errno = 0;
    printf("%d %d\n", isnan(sqrt(-1.0)), errno);
    printf("environ %d %d\n", environ != 0, environ[0] != 0);
    setenv("LINKJIT_TEST_VARIABLE", "set", 1);
    int found = 0;
    for (char **e = environ; *e; e++) found += !strcmp(*e, "LINKJIT_TEST_VARIABLE=set");
    printf("found %d %s\n", found, getenv("LINKJIT_TEST_VARIABLE"));
    int option;
    while ((option = getopt(argc, argv, "a:b")) != -1) printf("option %c %s\n", option, optarg ? optarg : "-");
    printf("optind %d\n", optind);
    printf("page %ld, random %d\n", (long)getauxval(AT_PAGESZ), getauxval(AT_RANDOM) != 0);
    struct stat status;
    int found_root = stat("/", &status);
    printf("stat %d %d\n", found_root, S_ISDIR(status.st_mode));
    printf("lstat %d fstat %d\n", lstat("/", &status), fstat(1, &status));
    tzset();
    printf("%.3f %.3f %.3f\n", pow(2, 0.5), cos(1), fmod(7, 4));
    char buffer[64];
    snprintf(buffer, sizeof buffer, "%08.3f|%-6s|%+d", 3.14159, "ab", 5);
    puts(buffer);
}
