// The function that runs the entry of an input.
#ifdef __cplusplus
extern "C" {
#endif

// The entry, with a handler for C++'s exceptions around it.
static int __linkjit_repl_enter(void (*entry)(void)) {
#if defined(__cplusplus) && defined(__cpp_exceptions)
  try {
#endif
#if defined(_WIN32)
    return __linkjit_repl_guard(entry);
#else
    entry();
    return 0;
#endif
#if defined(__cplusplus) && defined(__cpp_exceptions)
  } catch (...) {
    __linkjit_repl::report_caught();
    return 1;
  }
#endif
}

#if defined(__cplusplus) && defined(__linux__)
// libstdc++'s std::cout, if the process has it. It buffers only if the user wants it to (`sync_with_stdio(false)`).
extern void *__linkjit_repl_cout __asm__("_ZSt4cout") __attribute__((weak));
void *__linkjit_repl_flush_stream(void *) __asm__("_ZNSo5flushEv") __attribute__((weak));
// The C++ runtime's state of exceptions that are being handled. Leaving a handler by a signal must not change it.
struct __linkjit_repl_exceptions {
  void *caught;
  unsigned uncaught;
};
struct __linkjit_repl_exceptions *__linkjit_repl_exception_state(void) __asm__("__cxa_get_globals");
#endif

static void __linkjit_repl_flush(void) {
#if defined(__cplusplus) && defined(__linux__)
  // The stream has a vtable when it is initialized.
  if (&__linkjit_repl_cout && __linkjit_repl_cout && __linkjit_repl_flush_stream)
    __linkjit_repl_flush_stream(&__linkjit_repl_cout);
#endif
  __linkjit_repl_fflush(0);
}

// See docs/repl-frontend.md, "Values". Runs may nest, but only one thread at a time runs entries.
int __linkjit_repl_run(void (*entry)(void)) {
  __linkjit_repl_clear();
  __linkjit_repl_place_count = 0;
#if defined(__cplusplus) && defined(__linux__)
  struct __linkjit_repl_exceptions *state = __linkjit_repl_exception_state(), before = *state;
#endif
  int outcome = __linkjit_repl_guarded(entry);
#if defined(__cplusplus) && defined(__linux__)
  *state = before;
#endif
  if (outcome)
    __linkjit_repl_report_places();
  __linkjit_repl_flush();
  return outcome;
}

#ifdef __cplusplus
}
#endif
