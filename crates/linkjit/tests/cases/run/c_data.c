// Large bss, over-aligned data, tentative definitions, constants of all kinds, pointers in data.
// flags: -O0 -fcommon
// flags: -O2 -fPIC -fcommon -fdata-sections
// flags: -O2 -fno-pic -fcommon
// flags: -O1 -fPIE -mcmodel=small -fcommon
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int tentative[100];
_Alignas(256) char aligned_tentative[3];
static char large[64 << 20];
_Alignas(4096) static char page[4096] = "page";
_Alignas(65536) static char big_alignment[10] = "64k";
_Alignas(64) const double constants[] = {1.5, 2.5, 3.5};
static const char *const strings[] = {"one", "two", "three"};
extern int *const pointer_to_other;
extern int other_value;
extern char other_page[];
extern const char *text_of_other(void);
int (*const print)(const char *) = puts;
struct node { struct node *next; const char *name; } nodes[3] = {{&nodes[1], "a"}, {&nodes[2], "b"}, {nodes, "c"}};

int main(void) {
    memset(large, 1, 4096);
    large[sizeof large - 1] = 7;
    long total = 0;
    for (size_t i = 0; i < sizeof large; i += 4096) total += large[i];
    printf("large %ld %d\n", total, large[sizeof large - 1]);
    printf("alignment %d %d %d %d %d\n", (int)((uintptr_t)page % 4096), (int)((uintptr_t)big_alignment % 65536),
           (int)((uintptr_t)constants % 64), (int)((uintptr_t)aligned_tentative % 256), (int)((uintptr_t)other_page % 8192));
    printf("%s %s %s %s\n", page, big_alignment, other_page, strings[2]);
    printf("%g\n", constants[0] + constants[1] * constants[2]);
    printf("%d %d %d\n", tentative[0], tentative[99], *pointer_to_other);
    other_value = 5;
    printf("%d %s\n", *pointer_to_other, text_of_other());
    print("through a pointer");
    for (struct node *n = nodes; n->next != nodes; n = n->next) printf("%s", n->name);
    puts("");
    return page[5] + big_alignment[4];
}
