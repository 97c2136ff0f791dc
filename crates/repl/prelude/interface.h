// The declarations that inputs need: of the code that shows values and runs inputs, which is linked once.
// The prelude includes nothing and declares no name of a library: functions of the C runtime have labels.
#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ __linkjit_repl_size;
typedef unsigned long long __linkjit_repl_u64;

void *__linkjit_repl_malloc(__linkjit_repl_size) __asm__("malloc");
void __linkjit_repl_free(void *) __asm__("free");

// The input that runs: each sets its number when it begins.
extern unsigned __linkjit_repl_serial;

// The results of an input: records, one behind the other (docs/repl-frontend.md, "Values").
extern struct __linkjit_repl_results {
  const char *bytes;
  __linkjit_repl_u64 length;
} __linkjit_repl_results;

// Values that were shown, for `_`: the address of the one that an input has shown, or null.
void __linkjit_repl_remember(void *value);
void *__linkjit_repl_last_of(unsigned serial);

// A record begins with its kind and has at most `limit` bytes. It is counted when it is closed.
void __linkjit_repl_open(char kind, __linkjit_repl_u64 limit);
void __linkjit_repl_close(void);
// The record of a value, or of something that an input displays before it ends.
void __linkjit_repl_open_value(void);
void __linkjit_repl_open_display(void);
void __linkjit_repl_close_value(void);
// Writes the records from `start` on between the program's output, if displays go there.
void __linkjit_repl_send(__linkjit_repl_u64 start);

// The open record has reached its limit: loops over elements stop then.
extern int __linkjit_repl_full;

// These go on with the open record.
void __linkjit_repl_char(char c);
void __linkjit_repl_bytes(const char *bytes, __linkjit_repl_u64 length);
void __linkjit_repl_text(const char *text);
void __linkjit_repl_decimal(__linkjit_repl_u64 value);
void __linkjit_repl_signed(long long value);
void __linkjit_repl_wide(unsigned __int128 value, int negative);
void __linkjit_repl_hex(__linkjit_repl_u64 value);
// The name of a value of an enumeration (enumerators.h); 0 if it has none.
int __linkjit_repl_enumerators(const char *all, __linkjit_repl_u64 value);
// A number by its bits: `fraction` bits that are stored of the mantissa, then the exponent, then the sign. With `whole`, the
// mantissa's first bit is stored, too.
void __linkjit_repl_real(unsigned __int128 image, int fraction, int exponent_bits, int whole);
// Units of 1, 2 or 4 bytes between quotes, and those before a zero.
void __linkjit_repl_quoted(const void *units, unsigned size, __linkjit_repl_u64 count, char quote);
void __linkjit_repl_quoted_string(const void *units, unsigned size);

#ifdef __cplusplus
}
#else
// Shows a value in C (values_c.h).
void __linkjit_repl_show(void *value, const char *type, __linkjit_repl_u64 kept);
#endif
