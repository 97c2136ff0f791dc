// compilers: msvc
// crate: libsodium-sys 0.2.7 msvc/x64/Debug/v142/libsodium.lib
// expect: init 0
// expect: same 1
#include "crt.h"
int sodium_init(void);
int crypto_secretbox_easy(unsigned char *c, const unsigned char *m, unsigned long long mlen, const unsigned char *n, const unsigned char *k);
int crypto_secretbox_open_easy(unsigned char *m, const unsigned char *c, unsigned long long clen, const unsigned char *n, const unsigned char *k);
int main(void) {
    unsigned char key[32] = {1}, nonce[24] = {2}, sealed[5 + 16], opened[5];
    printf("init %d\n", sodium_init());
    crypto_secretbox_easy(sealed, (const unsigned char *)"hello", 5, nonce, key);
    int failed = crypto_secretbox_open_easy(opened, sealed, sizeof sealed, nonce, key);
    printf("same %d\n", !failed && opened[0] == 'h' && opened[4] == 'o');
    return 0;
}
