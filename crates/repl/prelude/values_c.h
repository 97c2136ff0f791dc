// Values in C: the front end chooses the function by the type (docs/repl-frontend.md, "Values").
#ifndef __cplusplus

void __linkjit_repl_show_bool(int value) {
  __linkjit_repl_open_value();
  __linkjit_repl_text(value ? "true" : "false");
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_char(int value) {
  char unit = (char)value;
  __linkjit_repl_open_value();
  __linkjit_repl_quoted(&unit, 1, 1, '\'');
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_signed(long long value) {
  __linkjit_repl_open_value();
  __linkjit_repl_signed(value);
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_unsigned(unsigned long long value) {
  __linkjit_repl_open_value();
  __linkjit_repl_decimal(value);
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_float(double value) {
  __linkjit_repl_open_value();
  __linkjit_repl_double(value);
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_string(const char *value) {
  __linkjit_repl_open_value();
  if (value)
    __linkjit_repl_quoted_string(value, 1);
  else
    __linkjit_repl_text("null");
  __linkjit_repl_close_value();
}

void __linkjit_repl_show_pointer(const void *value) {
  __linkjit_repl_open_value();
  if (value)
    __linkjit_repl_hex((__linkjit_repl_u64)value);
  else
    __linkjit_repl_text("null");
  __linkjit_repl_close_value();
}

#endif
