// flags: -fPIC
#include <string.h>
__attribute__((weak)) int shared_level = 3;
__attribute__((weak)) char shared_text[64] = "same";
__attribute__((weak)) struct { int a, b; } shared_pair = {1, 2};
int *library_level(void) { return &shared_level; }
char *library_text(void) { return shared_text; }
void library_set(int value) {
    shared_level = shared_pair.b = value;
    strcpy(shared_text, "set");
}
