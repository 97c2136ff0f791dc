// A check of function types reads a word before the function, which is the first of its pages and has no such word.
// compilers: clang-19
// flags: -O0
// flags: -O2
// flags: -O2 -fno-pic
// flags: -O2 -fPIC -ffunction-sections
// flags: -O2 -falign-functions=4096
static int plain(int x) {
    return x + 1;
}

int (*get(void))(int) {
    return plain;
}
