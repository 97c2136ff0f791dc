// flags: -fPIC
char large[1 << 17];
char small[8] = "small";

char *address_of_large(void) {
    return large;
}
