// The medium and large code models, mixed with the small one.
// flags: -O2 -mcmodel=large -fPIC
// flags: -O2 -mcmodel=medium -fPIC
// flags: -O0 -mcmodel=large -fno-pic
// flags: -O2 -mcmodel=medium -fno-pic
// flags: -O2 -mcmodel=large -fno-pic -ffunction-sections
#include <stdio.h>
#include <string.h>

static char large[8 << 20];
char large_exported[1 << 20] = {1, 2, 3};
extern char large_of_other[];
int call_back(int (*)(int), int);
static int square(int n) { return n * n; }

int main(void) {
    memset(large, 3, sizeof large);
    large_of_other[1 << 20]++;
    printf("%d %d %d %d\n", large[sizeof large / 2], large_exported[2], large_of_other[1 << 20], call_back(square, 9));
    return (int)strlen("text");
}
