// In C, the front end calls the function that fits.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(const char *expected) {
  const char *found = __linkjit_repl_results.bytes + __linkjit_repl_header;
  unsigned long long length = __linkjit_repl_results.length - __linkjit_repl_header;
  if (length != strlen(expected) || memcmp(expected, found, length)) {
    printf("expected %s, found %.*s\n", expected, (int)length, found);
    failures++;
  }
  __linkjit_repl_clear();
}

static void ends_well(void) { __linkjit_repl_show_signed(-5); }
static void aborts(void) { abort(); }

int main(void) {
  __linkjit_repl_show_bool(1), expect("true");
  __linkjit_repl_show_char('a'), expect("'a'");
  __linkjit_repl_show_unsigned(7), expect("7");
  __linkjit_repl_show_float(0.1), expect("0.1");
  __linkjit_repl_show_string("a\n"), expect("\"a\\n\"");
  __linkjit_repl_show_pointer((void *)0x10), expect("0x10");
  __linkjit_repl_show_pointer(NULL), expect("null");
  if (__linkjit_repl_call(ends_well) != 0 || __linkjit_repl_window.total != 7)
    failures++;
  expect("-5");
  if (__linkjit_repl_call(aborts) != 2)
    failures++;
  return failures != 0;
}
