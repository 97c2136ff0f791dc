// Enumerations: the names of their values, which the front end writes as `red=0,green=1`, with a semicolon behind if more follows.
#ifdef __cplusplus
extern "C" {
#endif

struct __linkjit_repl_enumerator {
  const char *name;
  __linkjit_repl_u64 length, value;
};

// Takes the first of `name=value,name=value` off the text.
static int __linkjit_repl_next_enumerator(const char **text, struct __linkjit_repl_enumerator *next) {
  const char *at = *text;
  int negative;
  if (!at || !*at || *at == ';')
    return 0;
  next->name = at;
  while (*at && *at != '=')
    at++;
  next->length = (__linkjit_repl_u64)(at - next->name);
  at += *at == '=';
  negative = *at == '-';
  at += negative;
  for (next->value = 0; *at >= '0' && *at <= '9'; at++)
    next->value = next->value * 10 + (__linkjit_repl_u64)(*at - '0');
  next->value = negative ? 0 - next->value : next->value;
  *text = at + (*at == ',');
  return 1;
}

// The name of a value, or several for flags: each enumerator is a single bit then, or made of those. 0 if it has no name.
int __linkjit_repl_enumerators(const char *all, __linkjit_repl_u64 value) {
  struct __linkjit_repl_enumerator next;
  __linkjit_repl_u64 bits = 0;
  const char *separator = "";
  for (const char *text = all; __linkjit_repl_next_enumerator(&text, &next);) {
    if (next.value == value) {
      __linkjit_repl_bytes(next.name, next.length);
      return 1;
    }
    if (!(next.value & (next.value - 1)))
      bits |= next.value;
  }
  for (const char *text = all; __linkjit_repl_next_enumerator(&text, &next);)
    if (next.value & ~bits)
      return 0;
  if (value & ~bits || !value)
    return 0;
  for (const char *text = all; __linkjit_repl_next_enumerator(&text, &next);) {
    if (!(next.value & (next.value - 1)) && next.value & value) {
      __linkjit_repl_text(separator);
      __linkjit_repl_bytes(next.name, next.length);
      value &= ~next.value;
      separator = " | ";
    }
  }
  return 1;
}

#ifdef __cplusplus
}
#endif
