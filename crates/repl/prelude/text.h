// Characters and strings as literals, in UTF-8. A unit is a byte, or 2 or 4 bytes of UTF-16 and UTF-32.
#ifdef __cplusplus
extern "C" {
#endif

enum { __linkjit_repl_longest_string = 4096 };

static unsigned __linkjit_repl_unit(const void *units, unsigned size, __linkjit_repl_u64 index) {
  return size == 1   ? ((const unsigned char *)units)[index]
         : size == 2 ? ((const unsigned short *)units)[index]
                     : ((const unsigned *)units)[index];
}

// Reads a character at `*index` and moves on. Units that are no character are given one by one, and `*valid` is 0.
static unsigned __linkjit_repl_decode(const void *units, unsigned size, __linkjit_repl_u64 count, __linkjit_repl_u64 *index,
                                      int *valid) {
  unsigned first = __linkjit_repl_unit(units, size, (*index)++), c = first;
  int more = 0;
  *valid = 1;
  if (size == 1 && first >= 0x80) {
    more = first >= 0xF5 ? -1 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : -1;
    c = first & (more == 3 ? 7u : more == 2 ? 15u : 31u);
    for (int i = 0; i < more; i++) {
      unsigned next = *index + (unsigned)i < count ? __linkjit_repl_unit(units, 1, *index + (unsigned)i) : 0;
      more = next >> 6 == 2 ? more : -1;
      c = c << 6 | (next & 63);
    }
    if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000))
      more = -1;
  } else if (size == 2 && first >> 10 == 0xD800 >> 10) {
    unsigned next = *index < count ? __linkjit_repl_unit(units, 2, *index) : 0;
    more = next >> 10 == 0xDC00 >> 10 ? 1 : -1;
    c = 0x10000 + ((first & 0x3FF) << 10) + (next & 0x3FF);
  }
  if (more < 0 || c > 0x10FFFF || c >> 11 == 0xD800 >> 11) {
    *valid = 0;
    return first;
  }
  *index += (unsigned)more;
  return c;
}

static void __linkjit_repl_utf8(unsigned c) {
  if (c < 0x80) {
    __linkjit_repl_char((char)c);
    return;
  }
  int more = c >= 0x10000 ? 3 : c >= 0x800 ? 2 : 1;
  __linkjit_repl_char((char)(0xF0 << (3 - more) | c >> 6 * more));
  while (more-- > 0)
    __linkjit_repl_char((char)(0x80 | (c >> 6 * more & 63)));
}

static void __linkjit_repl_escape(unsigned c, char quote) {
  static const char names[] = "0......abtnvfr";
  __linkjit_repl_char('\\');
  if (c == (unsigned char)quote || c == '\\') {
    __linkjit_repl_char((char)c);
  } else if (c <= 13 && names[c] != '.') {
    __linkjit_repl_char(names[c]);
  } else {
    __linkjit_repl_char('x');
    int shift = 28;
    while (shift > 4 && !(c >> shift))
      shift -= 4;
    for (; shift >= 0; shift -= 4)
      __linkjit_repl_char("0123456789abcdef"[c >> shift & 15]);
  }
}

void __linkjit_repl_quoted(const void *units, unsigned size, __linkjit_repl_u64 count, char quote) {
  __linkjit_repl_u64 index = 0;
  __linkjit_repl_char(quote);
  for (int shown = 0; index < count && shown < __linkjit_repl_longest_string && !__linkjit_repl_full; shown++) {
    int valid;
    unsigned c = __linkjit_repl_decode(units, size, count, &index, &valid);
    if (!valid || c < 32 || c == 127 || c == (unsigned char)quote || c == '\\')
      __linkjit_repl_escape(c, quote);
    else
      __linkjit_repl_utf8(c);
  }
  __linkjit_repl_char(quote);
  if (index < count)
    __linkjit_repl_text("...");
}

void __linkjit_repl_quoted_string(const void *units, unsigned size) {
  __linkjit_repl_u64 count = 0;
  while (count <= __linkjit_repl_longest_string && __linkjit_repl_unit(units, size, count))
    count++;
  __linkjit_repl_quoted(units, size, count, '"');
}

void __linkjit_repl_open_value(void) { __linkjit_repl_open('v', 65536); }

void __linkjit_repl_open_display(void) { __linkjit_repl_open('b', 65536); }

// A text that was cut ends with dots, and not within a character.
void __linkjit_repl_close_value(void) {
  if (__linkjit_repl_full) {
    while ((__linkjit_repl_buffer[__linkjit_repl_end] & 0xC0) == 0x80 || __linkjit_repl_limit - __linkjit_repl_end < 3)
      __linkjit_repl_end--;
    __linkjit_repl_full = 0;
    __linkjit_repl_text("...");
  }
  __linkjit_repl_close();
}

#ifdef __cplusplus
}
#endif
