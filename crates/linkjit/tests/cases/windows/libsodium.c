// compilers: msvc
// crate: libsodium-sys 0.2.7 msvc/x64/Release/v142/libsodium.lib
// expect: init 0
// expect: bddd813c63423972
// expect: verify 0
// expect: verify -1
#include "crt.h"
int sodium_init(void);
int crypto_generichash(unsigned char *out, size_t_ outlen, const unsigned char *in, unsigned long long inlen, const unsigned char *key, size_t_ keylen);
int crypto_sign_keypair(unsigned char *pk, unsigned char *sk);
int crypto_sign_detached(unsigned char *sig, unsigned long long *siglen, const unsigned char *m, unsigned long long mlen, const unsigned char *sk);
int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long mlen, const unsigned char *pk);
int main(void) {
    unsigned char hash[32], pk[32], sk[64], sig[64];
    printf("init %d\n", sodium_init());
    crypto_generichash(hash, 32, (const unsigned char *)"abc", 3, 0, 0);
    for (int i = 0; i < 8; i++) printf("%02x", hash[i]);
    puts("");
    crypto_sign_keypair(pk, sk);
    crypto_sign_detached(sig, 0, hash, 32, sk);
    printf("verify %d\n", crypto_sign_verify_detached(sig, hash, 32, pk));
    hash[0] ^= 1;
    printf("verify %d\n", crypto_sign_verify_detached(sig, hash, 32, pk));
    return 0;
}
