// The way of results to the session, which reads memory of linked code only: through a window of it.
#ifdef __cplusplus
extern "C" {
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

int __linkjit_repl_call(void (*entry)(void)) {
  int outcome = __linkjit_repl_run(entry);
  __linkjit_repl_fill(0);
  return outcome;
}

#ifdef __cplusplus
}
#endif
