// How results reach the session, which reads memory of linked code only: through a window of it.
extern "C" struct { unsigned long long total; char bytes[4096]; } __linkjit_repl_window = {};

// Puts the results from `offset` on into the window.
extern "C" void __linkjit_repl_fill(unsigned long long offset) {
  __linkjit_repl_window.total = __linkjit_repl_results.length;
  for (unsigned long long i = 0; i < sizeof __linkjit_repl_window.bytes && offset + i < __linkjit_repl_results.length; i++)
    __linkjit_repl_window.bytes[i] = __linkjit_repl_results.bytes[offset + i];
}

extern "C" int __linkjit_repl_call(void (*entry)()) {
  int how = __linkjit_repl_run(entry);
  __linkjit_repl_fill(0);
  return how;
}
