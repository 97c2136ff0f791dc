// Shapes of values that do not depend on types.
#ifdef __cplusplus
namespace __linkjit_repl {

int depth;

void put_address(const volatile void *address) {
  __linkjit_repl_char('@');
  __linkjit_repl_hex(reinterpret_cast<u64>(address));
}

void put_pointer(u64 address) {
  if (address)
    __linkjit_repl_hex(address);
  else
    __linkjit_repl_text("nullptr");
}

// The name that `type_name` of the compiler's text for a function ends with: `... [T = Color]`.
void put_type_name(const char *function) {
  const char *begin = function, *end = function + __builtin_strlen(function) - 1;
  while (*begin && !(begin[0] == '=' && begin[-1] == ' '))
    begin++;
  if (*begin)
    __linkjit_repl_bytes(begin + 2, static_cast<u64>(end - begin - 2));
}

// The unit of a duration, by the length of its tick in seconds.
void put_unit(long long numerator, long long denominator) {
  const char *name = numerator == 1 && denominator == 1000000000 ? "ns"
                     : numerator == 1 && denominator == 1000000  ? "us"
                     : numerator == 1 && denominator == 1000     ? "ms"
                     : numerator == 1 && denominator == 1        ? "s"
                     : numerator == 60 && denominator == 1       ? "min"
                     : numerator == 3600 && denominator == 1     ? "h"
                     : numerator == 86400 && denominator == 1    ? "d"
                                                                 : nullptr;
  if (name)
    return __linkjit_repl_text(name);
  __linkjit_repl_char('[');
  __linkjit_repl_signed(numerator);
  if (denominator != 1) {
    __linkjit_repl_char('/');
    __linkjit_repl_signed(denominator);
  }
  __linkjit_repl_text("]s");
}

void put_digits(long long value, int count) {
  long long unit = 1;
  while (--count)
    unit *= 10;
  for (; unit; unit /= 10)
    __linkjit_repl_char(static_cast<char>('0' + value / unit % 10));
}

// A time of the calendar, in UTC: `seconds` since 1970, and `fraction` of `denominator`.
void put_time(long long seconds, long long fraction, long long denominator, bool with_clock) {
  long long day = seconds / 86400 - (seconds % 86400 < 0), second = seconds - day * 86400;
  // Years begin in March, and eras of 400 years are all alike.
  long long since = day + 719468, era = (since < 0 ? since - 146096 : since) / 146097, of_era = since - era * 146097;
  long long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  long long of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  year += era * 400 + (month >= 10);
  if (year < 0 || year > 9999)
    __linkjit_repl_signed(year);
  else
    put_digits(year, 4);
  __linkjit_repl_char('-');
  put_digits(month < 10 ? month + 3 : month - 9, 2);
  __linkjit_repl_char('-');
  put_digits(of_year - (153 * month + 2) / 5 + 1, 2);
  if (!with_clock)
    return;
  __linkjit_repl_char(' ');
  put_digits(second / 3600, 2);
  __linkjit_repl_char(':');
  put_digits(second / 60 % 60, 2);
  __linkjit_repl_char(':');
  put_digits(second % 60, 2);
  if (denominator >= 10) {
    int count = 0;
    for (long long unit = 1; unit < denominator; unit *= 10)
      count++;
    __linkjit_repl_char('.');
    put_digits(fraction, count);
  }
  __linkjit_repl_text(" UTC");
}

#if defined(_WIN32) && !defined(__MINGW32__)
void put_any_type(const char *name) { __linkjit_repl_text(name); }
#else
extern "C" char *demangle(const char *, char *, __linkjit_repl_size *, int *) __asm__("__cxa_demangle");
void put_any_type(const char *name) {
  char *plain = demangle(name, nullptr, nullptr, nullptr);
  __linkjit_repl_text(plain ? plain : name);
  __linkjit_repl_free(plain);
}
#endif

} // namespace __linkjit_repl
#endif
