// The way of results to the session, which reads memory of linked code only: through a window of it.
#ifdef __cplusplus
extern "C" {
#endif

__linkjit_repl_size __linkjit_repl_fwrite(const void *, __linkjit_repl_size, __linkjit_repl_size, void *) __asm__("fwrite");
int __linkjit_repl_setvbuf(void *, char *, int, __linkjit_repl_size) __asm__("setvbuf");
#if defined(_WIN32)
void *__linkjit_repl_iob(unsigned) __asm__("__acrt_iob_func");
#else
extern void *__linkjit_repl_stdout __asm__("stdout");
#endif

struct __linkjit_repl_window {
  unsigned long long total;
  char bytes[4096];
};
struct __linkjit_repl_window __linkjit_repl_window = {0, {0}};

// Puts the results from `offset` on into the window.
void __linkjit_repl_fill(unsigned long long offset) {
  __linkjit_repl_window.total = __linkjit_repl_results.length;
  for (unsigned i = 0; i < sizeof __linkjit_repl_window.bytes && offset + i < __linkjit_repl_results.length; i++)
    __linkjit_repl_window.bytes[i] = __linkjit_repl_results.bytes[offset + i];
}

// An entry whose run only has the program's output written.
void __linkjit_repl_nothing(void) {}

// A zero byte and 32 digits that only the session knows, if what inputs display goes between their output, else no digits.
enum { __linkjit_repl_mark_length = 33 };
static char __linkjit_repl_mark[__linkjit_repl_mark_length + 1];

static void *__linkjit_repl_output(void) {
#if defined(_WIN32)
  return __linkjit_repl_iob(1);
#else
  return __linkjit_repl_stdout;
#endif
}

static void __linkjit_repl_hexadecimal(char *to, __linkjit_repl_u64 value) {
  for (int i = 0; i < 16; i++)
    to[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
}

// Has output written a line at a time, as at a terminal, though it goes elsewhere, and displays go between. Windows does not know
// lines: there it is written at once.
void __linkjit_repl_go_live(__linkjit_repl_u64 high, __linkjit_repl_u64 low) {
#if defined(_WIN32)
  const int mode = 4;
#else
  const int mode = 1;
#endif
  __linkjit_repl_setvbuf(__linkjit_repl_output(), 0, mode, 0);
  __linkjit_repl_hexadecimal(__linkjit_repl_mark + 1, high);
  __linkjit_repl_hexadecimal(__linkjit_repl_mark + 17, low);
}

// Writes the records from `start` on between the program's output, if displays go there: the mark, the number of bytes, and the
// bytes, all as digits, which are the same in text files of all systems.
void __linkjit_repl_send(__linkjit_repl_u64 start) {
  static char digits[4096];
  void *output;
  if (!__linkjit_repl_mark[1])
    return;
  __linkjit_repl_flush();
  output = __linkjit_repl_output();
  __linkjit_repl_fwrite(__linkjit_repl_mark, 1, __linkjit_repl_mark_length, output);
  __linkjit_repl_hexadecimal(digits, __linkjit_repl_results.length - start);
  __linkjit_repl_fwrite(digits, 1, 16, output);
  for (__linkjit_repl_u64 at = start; at < __linkjit_repl_results.length;) {
    int count = 0;
    for (; count < (int)sizeof digits && at < __linkjit_repl_results.length; at++) {
      unsigned char byte = (unsigned char)__linkjit_repl_results.bytes[at];
      digits[count++] = "0123456789abcdef"[byte >> 4];
      digits[count++] = "0123456789abcdef"[byte & 15];
    }
    __linkjit_repl_fwrite(digits, 1, count, output);
  }
  __linkjit_repl_fflush(output);
  __linkjit_repl_results.length = start;
}

int __linkjit_repl_call(void (*entry)(void)) {
  int outcome = __linkjit_repl_run(entry);
  __linkjit_repl_fill(0);
  return outcome;
}

#ifdef __cplusplus
}
#endif
