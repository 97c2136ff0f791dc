// The registers of a thread on Windows (x86-64).
#if defined(_WIN32)
enum { __linkjit_repl_context_flags = 6, __linkjit_repl_context_rsp = 19, __linkjit_repl_context_rip = 31 };
struct __linkjit_repl_context {
  __attribute__((aligned(16))) __linkjit_repl_u64 words[1232 / 8];
};
#endif
