// Floating-point numbers as the shortest decimal text that reads back as the same number. The C runtimes have no function
// for this, and what they have is different in each and depends on the locale. This is the algorithm of Steele and White with
// the improvements of Dybvig ("Printing Floating-Point Numbers Quickly and Accurately"), on large integers.
#ifdef __cplusplus
extern "C" {
#endif

// A large integer, little-endian. The largest is 2^16,500 or so, for long double.
struct __linkjit_repl_large {
  unsigned count;
  unsigned words[580];
};

static void __linkjit_repl_large_set(struct __linkjit_repl_large *a, __linkjit_repl_u64 low, __linkjit_repl_u64 high) {
  a->words[0] = (unsigned)low;
  a->words[1] = (unsigned)(low >> 32);
  a->words[2] = (unsigned)high;
  a->words[3] = (unsigned)(high >> 32);
  a->count = 4;
  while (a->count && !a->words[a->count - 1])
    a->count--;
}

static void __linkjit_repl_large_times(struct __linkjit_repl_large *a, unsigned factor) {
  __linkjit_repl_u64 carry = 0;
  for (unsigned i = 0; i < a->count; i++) {
    carry += (__linkjit_repl_u64)a->words[i] * factor;
    a->words[i] = (unsigned)carry;
    carry >>= 32;
  }
  if (carry)
    a->words[a->count++] = (unsigned)carry;
}

static void __linkjit_repl_large_shift(struct __linkjit_repl_large *a, unsigned bits) {
  unsigned whole = bits / 32;
  __linkjit_repl_large_times(a, 1u << bits % 32);
  for (unsigned i = a->count; i-- > 0;)
    a->words[i + whole] = a->words[i];
  for (unsigned i = 0; i < whole; i++)
    a->words[i] = 0;
  a->count += whole;
}

static void __linkjit_repl_large_add(struct __linkjit_repl_large *a, const struct __linkjit_repl_large *b) {
  __linkjit_repl_u64 carry = 0;
  for (unsigned i = 0; i < b->count || carry; i++) {
    if (i == a->count)
      a->words[a->count++] = 0;
    carry += a->words[i];
    carry += i < b->count ? b->words[i] : 0;
    a->words[i] = (unsigned)carry;
    carry >>= 32;
  }
}

static void __linkjit_repl_large_subtract(struct __linkjit_repl_large *a, const struct __linkjit_repl_large *b) {
  long long borrow = 0;
  for (unsigned i = 0; i < a->count; i++) {
    borrow += (long long)a->words[i] - (i < b->count ? b->words[i] : 0);
    a->words[i] = (unsigned)borrow;
    borrow >>= 32;
  }
  while (a->count && !a->words[a->count - 1])
    a->count--;
}

static int __linkjit_repl_large_compare(const struct __linkjit_repl_large *a, const struct __linkjit_repl_large *b) {
  if (a->count != b->count)
    return a->count < b->count ? -1 : 1;
  for (unsigned i = a->count; i-- > 0;)
    if (a->words[i] != b->words[i])
      return a->words[i] < b->words[i] ? -1 : 1;
  return 0;
}

static int __linkjit_repl_large_compare_sum(const struct __linkjit_repl_large *a, const struct __linkjit_repl_large *b,
                                            const struct __linkjit_repl_large *c) {
  struct __linkjit_repl_large sum;
  sum.count = a->count;
  __builtin_memcpy(sum.words, a->words, a->count * sizeof *a->words);
  __linkjit_repl_large_add(&sum, b);
  return __linkjit_repl_large_compare(&sum, c);
}

// Writes the digits of `mantissa * 2^exponent` to `digits`, returns how many, and the decimal exponent of the first one. The
// next smaller number is nearer than the next larger if `uneven`.
static int __linkjit_repl_digits(unsigned __int128 mantissa, int exponent, int uneven, char *digits, int *first) {
  // The number is rest / unit, half the distances to its neighbours are below / unit and above / unit.
  struct __linkjit_repl_large rest, unit, below, above;
  int bits = exponent, even = !(mantissa & 1), count = 0;
  for (unsigned __int128 m = mantissa; m; m >>= 1)
    bits++;
  __linkjit_repl_large_set(&rest, (__linkjit_repl_u64)mantissa, (__linkjit_repl_u64)(mantissa >> 64));
  __linkjit_repl_large_set(&unit, 1, 0);
  __linkjit_repl_large_set(&below, 1, 0);
  __linkjit_repl_large_shift(&rest, (unsigned)(1 + uneven + (exponent > 0 ? exponent : 0)));
  __linkjit_repl_large_shift(&unit, (unsigned)(1 + uneven - (exponent < 0 ? exponent : 0)));
  __linkjit_repl_large_shift(&below, (unsigned)(exponent > 0 ? exponent : 0));
  // A guess at the decimal exponent, by log10(2) = 0.301, which may be one too small or too large.
  int decimal = (bits - 1) * 1233 >> 12;
  for (int i = 0; i < decimal; i++)
    __linkjit_repl_large_times(&unit, 10);
  for (int i = 0; i > decimal; i--) {
    __linkjit_repl_large_times(&rest, 10);
    __linkjit_repl_large_times(&below, 10);
  }
  above = below;
  __linkjit_repl_large_shift(&above, (unsigned)uneven);
  while (__linkjit_repl_large_compare_sum(&rest, &above, &unit) + even <= 0) {
    decimal--;
    __linkjit_repl_large_times(&rest, 10);
    __linkjit_repl_large_times(&below, 10);
    __linkjit_repl_large_times(&above, 10);
  }
  for (;;) {
    struct __linkjit_repl_large next = unit;
    __linkjit_repl_large_times(&next, 10);
    if (__linkjit_repl_large_compare_sum(&rest, &above, &next) + even <= 0)
      break;
    decimal++;
    unit = next;
  }
  *first = decimal;
  for (;;) {
    int digit = 0;
    while (__linkjit_repl_large_compare(&rest, &unit) >= 0) {
      __linkjit_repl_large_subtract(&rest, &unit);
      digit++;
    }
    int down = __linkjit_repl_large_compare(&rest, &below) - even < 0;
    int up = __linkjit_repl_large_compare_sum(&rest, &above, &unit) + even > 0;
    if (down || up) {
      int half = __linkjit_repl_large_compare_sum(&rest, &rest, &unit);
      digits[count++] = (char)('0' + digit + (up && (!down || half > 0 || (half == 0 && digit % 2))));
      return count;
    }
    digits[count++] = (char)('0' + digit);
    __linkjit_repl_large_times(&rest, 10);
    __linkjit_repl_large_times(&below, 10);
    __linkjit_repl_large_times(&above, 10);
  }
}

// 3.0, 0.001, 1e300: digits with a point among or beside them if they are few, else with an exponent.
static void __linkjit_repl_place_point(const char *digits, int count, int first) {
  if (first < -4 || first >= 16) {
    __linkjit_repl_char(digits[0]);
    if (count > 1)
      __linkjit_repl_char('.');
    __linkjit_repl_bytes(digits + 1, (__linkjit_repl_u64)(count - 1));
    __linkjit_repl_char('e');
    __linkjit_repl_signed(first);
    return;
  }
  int i = 0;
  if (first < 0)
    __linkjit_repl_char('0');
  for (; i <= first; i++)
    __linkjit_repl_char(i < count ? digits[i] : '0');
  __linkjit_repl_char('.');
  for (int zero = -1; zero > first; zero--)
    __linkjit_repl_char('0');
  if (i >= count)
    __linkjit_repl_char('0');
  for (; i < count; i++)
    __linkjit_repl_char(digits[i]);
}

void __linkjit_repl_real(unsigned __int128 image, int fraction, int exponent_bits, int whole) {
  unsigned __int128 one = 1, mantissa = image & ((one << fraction) - 1), top = one << (fraction - whole);
  int largest = (1 << exponent_bits) - 1, exponent = (int)(image >> fraction) & largest;
  if (exponent == largest && mantissa & (top - 1)) {
    __linkjit_repl_text("nan");
    return;
  }
  if (image >> (fraction + exponent_bits) & 1)
    __linkjit_repl_char('-');
  if (exponent == largest) {
    __linkjit_repl_text("inf");
    return;
  }
  if (exponent && !whole)
    mantissa |= top;
  if (!mantissa) {
    __linkjit_repl_text("0.0");
    return;
  }
  char digits[48];
  int first, uneven = mantissa == top && exponent > 1;
  int scale = (exponent ? exponent : 1) - (largest >> 1) - (fraction - whole);
  int count = __linkjit_repl_digits(mantissa, scale, uneven, digits, &first);
  __linkjit_repl_place_point(digits, count, first);
}

#ifdef __cplusplus
}
#endif
