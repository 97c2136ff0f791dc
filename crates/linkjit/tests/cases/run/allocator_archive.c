// An allocator in an archive, next to a part of it that only the program calls.
// archive: allocator_archive.1.c allocator_archive.2.c
// flags: -O2 -fno-builtin
// flags: -O0 -fno-builtin -fno-pic
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int count_of_live(void);

int main(void) {
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int before = count_of_live();
    char *texts[3];
    for (int i = 0; i < 3; i++) texts[i] = strdup("text");
    printf("%d\n", count_of_live() - before);
    for (int i = 0; i < 3; i++) free(texts[i]);
    printf("%d\n", count_of_live() - before);
    return 0;
}
