// An input's results: records in a buffer, which the session reads after each run.
#ifdef __cplusplus
extern "C" {
#endif

int __linkjit_repl_fflush(void *) __asm__("fflush");

unsigned __linkjit_repl_serial;

// The values that the latest inputs have shown, for `_`: an input that did not come so far has none.
enum { __linkjit_repl_most_shown = 64 };
static struct {
  unsigned serial;
  void *value;
} __linkjit_repl_shown[__linkjit_repl_most_shown];

void __linkjit_repl_remember(void *value) {
  unsigned slot = __linkjit_repl_serial % __linkjit_repl_most_shown;
  __linkjit_repl_shown[slot].serial = __linkjit_repl_serial;
  __linkjit_repl_shown[slot].value = value;
}

void *__linkjit_repl_last_of(unsigned serial) {
  unsigned slot = serial % __linkjit_repl_most_shown;
  return __linkjit_repl_shown[slot].serial == serial ? __linkjit_repl_shown[slot].value : 0;
}

// The open record grows behind those that `results` counts. It is counted when it is closed, so that a record that a
// fault cuts short is not seen. Closing leaves `reserve` bytes free: a fault is reported without the heap, which may be what
// is broken.
enum { __linkjit_repl_reserve = 1024, __linkjit_repl_header = 5 };
static char __linkjit_repl_first[8192];
struct __linkjit_repl_results __linkjit_repl_results = {__linkjit_repl_first, 0};
static char *__linkjit_repl_buffer = __linkjit_repl_first;
static __linkjit_repl_u64 __linkjit_repl_capacity = sizeof __linkjit_repl_first;
static __linkjit_repl_u64 __linkjit_repl_end, __linkjit_repl_limit;
int __linkjit_repl_full;

static int __linkjit_repl_grow(void) {
  __linkjit_repl_u64 capacity = __linkjit_repl_capacity * 2;
  char *larger = (char *)__linkjit_repl_malloc(capacity);
  if (!larger)
    return 0;
  __builtin_memcpy(larger, __linkjit_repl_buffer, __linkjit_repl_end);
  if (__linkjit_repl_buffer != __linkjit_repl_first)
    __linkjit_repl_free(__linkjit_repl_buffer);
  __linkjit_repl_buffer = larger;
  __linkjit_repl_capacity = capacity;
  __linkjit_repl_results.bytes = larger;
  return 1;
}

void __linkjit_repl_open(char kind, __linkjit_repl_u64 limit) {
  __linkjit_repl_end = __linkjit_repl_results.length + __linkjit_repl_header;
  __linkjit_repl_buffer[__linkjit_repl_results.length] = kind;
  __linkjit_repl_limit = __linkjit_repl_end + limit;
  __linkjit_repl_full = 0;
}

void __linkjit_repl_char(char c) {
  if (__linkjit_repl_full)
    return;
  // Bytes of the reserve are for short records, which never make the buffer grow.
  if (__linkjit_repl_end >= __linkjit_repl_limit ||
      (__linkjit_repl_end + __linkjit_repl_reserve >= __linkjit_repl_capacity &&
       __linkjit_repl_limit > __linkjit_repl_capacity && !__linkjit_repl_grow())) {
    __linkjit_repl_full = 1;
    return;
  }
  __linkjit_repl_buffer[__linkjit_repl_end++] = c;
}

void __linkjit_repl_bytes(const char *bytes, __linkjit_repl_u64 length) {
  for (__linkjit_repl_u64 i = 0; i < length && !__linkjit_repl_full; i++)
    __linkjit_repl_char(bytes[i]);
}

void __linkjit_repl_text(const char *text) {
  while (*text)
    __linkjit_repl_char(*text++);
}

void __linkjit_repl_close(void) {
  __linkjit_repl_u64 length = __linkjit_repl_end - __linkjit_repl_results.length - __linkjit_repl_header;
  for (int i = 0; i < 4; i++)
    __linkjit_repl_buffer[__linkjit_repl_results.length + 1 + i] = (char)(length >> (8 * i));
  // Without the reserve, the next record might not fit: it is the heap that is exhausted, and this record the price.
  if (__linkjit_repl_end + __linkjit_repl_reserve > __linkjit_repl_capacity && !__linkjit_repl_grow())
    return;
  __linkjit_repl_results.length = __linkjit_repl_end;
}

// Forgets all records.
static void __linkjit_repl_clear(void) {
  __linkjit_repl_results.bytes = __linkjit_repl_buffer;
  __linkjit_repl_results.length = 0;
}

void __linkjit_repl_decimal(__linkjit_repl_u64 value) {
  char digits[20];
  int count = 0;
  do
    digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count)
    __linkjit_repl_char(digits[--count]);
}

void __linkjit_repl_signed(long long value) {
  if (value < 0)
    __linkjit_repl_char('-');
  __linkjit_repl_decimal(value < 0 ? 0 - (__linkjit_repl_u64)value : (__linkjit_repl_u64)value);
}

// 128 bits: 10^9 at a time, since there may be no division of that size.
void __linkjit_repl_wide(unsigned __int128 value, int negative) {
  char digits[45];
  int count = 0;
  unsigned words[4];
  if (negative) {
    __linkjit_repl_char('-');
    value = 0 - value;
  }
  __builtin_memcpy(words, &value, sizeof words);
  while (words[0] | words[1] | words[2] | words[3] || !count) {
    __linkjit_repl_u64 rest = 0;
    for (int i = 4; i-- > 0;) {
      rest = rest << 32 | words[i];
      words[i] = (unsigned)(rest / 1000000000);
      rest %= 1000000000;
    }
    for (int i = 0; i < 9; i++, rest /= 10)
      digits[count++] = (char)('0' + rest % 10);
  }
  while (count > 1 && digits[count - 1] == '0')
    count--;
  while (count)
    __linkjit_repl_char(digits[--count]);
}

void __linkjit_repl_hex(__linkjit_repl_u64 value) {
  int shift = 60;
  while (shift && !(value >> shift))
    shift -= 4;
  __linkjit_repl_text("0x");
  for (; shift >= 0; shift -= 4)
    __linkjit_repl_char("0123456789abcdef"[value >> shift & 15]);
}

#ifdef __cplusplus
}
#endif
