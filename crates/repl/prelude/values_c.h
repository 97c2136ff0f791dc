// Values in C, which has no templates: the front end writes their types as texts (docs/repl-frontend.md, "Values in C").
#ifndef __cplusplus

enum { __linkjit_repl_longest_list = 32 };

// A part of the text of a type.
struct __linkjit_repl_type {
  const char *at, *end;
};

static void __linkjit_repl_put(const char *value, struct __linkjit_repl_type type);

static __linkjit_repl_u64 __linkjit_repl_number(struct __linkjit_repl_type *type) {
  __linkjit_repl_u64 number = 0;
  for (; type->at < type->end && *type->at >= '0' && *type->at <= '9'; type->at++)
    number = number * 10 + (__linkjit_repl_u64)(*type->at - '0');
  return number;
}

// The number in front of a mark, and past it.
static __linkjit_repl_u64 __linkjit_repl_number_before(struct __linkjit_repl_type *type, char mark) {
  __linkjit_repl_u64 number = __linkjit_repl_number(type);
  type->at += type->at < type->end && *type->at == mark;
  return number;
}

// An integer of so many bits.
static void __linkjit_repl_put_bits(unsigned __int128 bits, __linkjit_repl_u64 width, struct __linkjit_repl_type type) {
  char kind = *type.at++;
  int is_signed = kind == 'i' || kind == 'n', is_negative = is_signed && width && bits >> (width - 1) & 1;
  if (width < 128)
    bits = is_negative ? bits | ~(unsigned __int128)0 << width : bits & (((unsigned __int128)1 << width) - 1);
  __linkjit_repl_number_before(&type, ':');
  if (kind == 'b')
    __linkjit_repl_text(bits ? "true" : "false");
  else if ((kind != 'e' && kind != 'n') || !__linkjit_repl_enumerators(type.at, (__linkjit_repl_u64)bits))
    __linkjit_repl_wide(bits, is_negative);
}

static void __linkjit_repl_put_integer(const char *value, struct __linkjit_repl_type type) {
  struct __linkjit_repl_type rest = {type.at + 1, type.end};
  __linkjit_repl_u64 size = __linkjit_repl_number(&rest);
  unsigned __int128 bits = 0;
  __builtin_memcpy(&bits, value, size < sizeof bits ? size : sizeof bits);
  __linkjit_repl_put_bits(bits, size * 8, type);
}

// `w3.5:u4`: five bits from the third on.
static void __linkjit_repl_put_field_of_bits(const char *value, struct __linkjit_repl_type type) {
  __linkjit_repl_u64 first = __linkjit_repl_number_before(&type, '.'), width = __linkjit_repl_number_before(&type, ':');
  unsigned __int128 bits = 0;
  for (__linkjit_repl_u64 i = 0; i < width; i++)
    bits |= (unsigned __int128)((unsigned char)value[(first + i) / 8] >> (first + i) % 8 & 1) << i;
  __linkjit_repl_put_bits(bits, width, type);
}

static void __linkjit_repl_put_real(const char *value, struct __linkjit_repl_type type) {
  unsigned __int128 image = 0;
  __linkjit_repl_u64 size = __linkjit_repl_number(&type);
  int is_brain = type.at < type.end && *type.at == 'b', is_extended = type.at < type.end && *type.at == 'x';
  __builtin_memcpy(&image, value, is_extended ? 10 : size < sizeof image ? size : sizeof image);
  __linkjit_repl_real(image, is_extended ? 64 : size > 8 ? 112 : size == 8 ? 52 : size == 4 ? 23 : is_brain ? 7 : 10,
                      size > 8 ? 15 : size == 8 ? 11 : size == 4 || is_brain ? 8 : 5, is_extended);
}

static void __linkjit_repl_put_pointer(const char *value, int is_string) {
  const void *pointer;
  __builtin_memcpy(&pointer, value, sizeof pointer);
  if (!pointer)
    __linkjit_repl_text("NULL");
  else if (is_string)
    __linkjit_repl_quoted_string(pointer, 1);
  else
    __linkjit_repl_hex((__linkjit_repl_u64)pointer);
}

// `z8:f8`: the size of each part.
static void __linkjit_repl_put_complex(const char *value, struct __linkjit_repl_type type) {
  __linkjit_repl_u64 size = __linkjit_repl_number_before(&type, ':');
  __linkjit_repl_char('(');
  __linkjit_repl_put(value, type);
  __linkjit_repl_text(", ");
  __linkjit_repl_put(value + size, type);
  __linkjit_repl_char(')');
}

// `a3*4:i4`: the number of elements, and the size of each.
static void __linkjit_repl_put_array(const char *value, struct __linkjit_repl_type type) {
  __linkjit_repl_u64 count = __linkjit_repl_number_before(&type, '*'), size = __linkjit_repl_number_before(&type, ':');
  if (*type.at == 'c') {
    // An array of characters is a string, and often longer than that.
    while (count && !value[count - 1])
      count--;
    __linkjit_repl_quoted(value, 1, count, '"');
    return;
  }
  __linkjit_repl_char('{');
  for (__linkjit_repl_u64 i = 0; i < count && !__linkjit_repl_full; i++) {
    if (i)
      __linkjit_repl_text(", ");
    if (i == __linkjit_repl_longest_list) {
      __linkjit_repl_text("...");
      break;
    }
    __linkjit_repl_put(value + i * size, type);
  }
  __linkjit_repl_char('}');
}

// `{2:0:i4 2:8:f8`, without the space: of each field the length of the text of its type, and its offset.
static void __linkjit_repl_put_fields(const char *value, struct __linkjit_repl_type type) {
  const char *separator = "";
  __linkjit_repl_char('{');
  while (type.at < type.end && !__linkjit_repl_full) {
    __linkjit_repl_u64 length = __linkjit_repl_number_before(&type, ':'), offset = __linkjit_repl_number_before(&type, ':');
    struct __linkjit_repl_type field = {type.at, type.at + length};
    __linkjit_repl_text(separator);
    __linkjit_repl_put(value + offset, field);
    separator = ", ";
    type.at = field.end;
  }
  __linkjit_repl_char('}');
}

static void __linkjit_repl_put(const char *value, struct __linkjit_repl_type type) {
  struct __linkjit_repl_type rest = {type.at + 1, type.end};
  switch (*type.at) {
  case 'c':
    return __linkjit_repl_quoted(value, 1, 1, '\'');
  case 'f':
    return __linkjit_repl_put_real(value, rest);
  case 'p':
  case 's':
    return __linkjit_repl_put_pointer(value, *type.at == 's');
  case 'z':
    return __linkjit_repl_put_complex(value, rest);
  case 'a':
    return __linkjit_repl_put_array(value, rest);
  case '{':
    return __linkjit_repl_put_fields(value, rest);
  case 'w':
    return __linkjit_repl_put_field_of_bits(value, rest);
  case '@':
    __linkjit_repl_char('@');
    return __linkjit_repl_hex((__linkjit_repl_u64)value);
  default:
    return __linkjit_repl_put_integer(value, type);
  }
}

// A value that ends with the statement is kept: so many bytes are copied.
void __linkjit_repl_show(void *value, const char *type, __linkjit_repl_u64 kept) {
  void *copy = kept ? __linkjit_repl_malloc(kept) : 0;
  struct __linkjit_repl_type all = {type, type + __builtin_strlen(type)};
  if (copy)
    value = __builtin_memcpy(copy, value, kept);
  __linkjit_repl_remember(kept && !copy ? 0 : value);
  __linkjit_repl_open_value();
  __linkjit_repl_put((const char *)value, all);
  __linkjit_repl_close_value();
}

#endif
