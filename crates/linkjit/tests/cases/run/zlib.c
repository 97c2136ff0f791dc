// A shared library of the system.
// libs: z
// flags: -O2 -fPIC
#include <stdio.h>
#include <string.h>
#include <zlib.h>

int main(void) {
    static unsigned char text[100000], packed[100000], unpacked[100000];
    for (unsigned i = 0; i < sizeof text; i++) text[i] = (unsigned char)(i * i >> 8);
    uLongf size = sizeof packed, original = sizeof unpacked;
    printf("%d ", compress(packed, &size, text, sizeof text));
    printf("%d ", uncompress(unpacked, &original, packed, size));
    printf("%lu %lu %d %08lx\n", size, original, memcmp(text, unpacked, original), crc32(0, text, sizeof text));
}
