// Stacks are not executable as long as nothing is linked that asks for it: an archive has such a member, and an object
// says nothing about stacks.
// flags: -O2
// archive: stack_unasked.1.s
// expect: 5 no
#include <stdio.h>
#include <string.h>

int says_nothing(void);

int main(void) {
    char line[512], *answer = "none";
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        if (strstr(line, "[stack]")) answer = strstr(line, "rwxp") ? "yes" : "no";
    }
    printf("%d %s\n", says_nothing(), answer);
    return 0;
}
