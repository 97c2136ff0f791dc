int puts(const char *);
int main(void) {
    puts("started");
    return 0;
}
