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

#define SHOW(value, type) __linkjit_repl_show(&(value), type, 0)

static void ends_well(void) {
  int number = -5;
  __linkjit_repl_show(&number, "i4", sizeof number);
}
static void aborts(void) { abort(); }

enum sign { minus = -1, none, plus };

int main(void) {
  _Bool yes = 1;
  char letter = 'a', text[9] = "a\n", *string = text;
  signed char small = -7;
  unsigned long long large = ~0ull;
  __int128 wide = -((__int128)1 << 100);
  float half = 0.5f;
  double real = 0.1;
  long double extended = 1.25L;
  double parts[2] = {1, -2};
  void *pointer = (void *)0x10, *nothing = NULL;
  enum sign sign = minus;
  int many[40] = {1, 2, 3};
  struct {
    int first, second[2];
    unsigned three : 3;
    int five : 5;
    char name[4];
  } fields = {7, {8, 9}, 5, -3, "me"};

  SHOW(yes, "b1"), expect("true");
  SHOW(letter, "c"), expect("'a'");
  SHOW(small, "i1"), expect("-7");
  SHOW(large, "u8"), expect("18446744073709551615");
  SHOW(wide, "i16"), expect("-1267650600228229401496703205376");
  SHOW(half, "f4"), expect("0.5");
  SHOW(real, "f8"), expect("0.1");
  SHOW(extended, "f16x"), expect("1.25");
  SHOW(parts, "z8:f8"), expect("(1.0, -2.0)");
  SHOW(string, "s"), expect("\"a\\n\"");
  SHOW(text, "a9*1:c"), expect("\"a\\n\"");
  SHOW(pointer, "p"), expect("0x10");
  SHOW(nothing, "s"), expect("NULL");
  SHOW(sign, "n4:minus=-1,none=0,plus=1;"), expect("minus");
  sign = (enum sign)9;
  SHOW(sign, "n4:minus=-1,none=0,plus=1;"), expect("9");
  SHOW(many, "a3*4:i4"), expect("{1, 2, 3}");
  SHOW(many, "a0*4:i4"), expect("{}");
  SHOW(many, "a40*4:i4"), expect("{1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...}");
  SHOW(fields, "{2:0:i47:4:a2*4:i47:12:w0.3:u47:12:w3.5:i46:13:a4*1:c"), expect("{7, {8, 9}, 5, -3, \"me\"}");
  if (__linkjit_repl_call(ends_well) != 0 || __linkjit_repl_window.total != 7)
    failures++;
  expect("-5");
  if (__linkjit_repl_call(aborts) != 2)
    failures++;
  return failures != 0;
}
