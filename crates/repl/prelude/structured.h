// Structured exceptions that end an entry, on Windows (x86-64), and Ctrl-C.
#if defined(_WIN32)
#ifdef __cplusplus
extern "C" {
#endif

struct __linkjit_repl_exception {
  unsigned code, flags;
  struct __linkjit_repl_exception *nested;
  void *instruction;
  unsigned count;
  __linkjit_repl_u64 parameters[15];
};

void __linkjit_repl_unwind(void *, void *, struct __linkjit_repl_exception *, void *, struct __linkjit_repl_context *,
                           void *) __asm__("RtlUnwindEx");
void __linkjit_repl_raise_exception(unsigned, unsigned, unsigned, const void *) __asm__("RaiseException");
int __linkjit_repl_reset_stack(void) __asm__("_resetstkoflw");
void *__linkjit_repl_on_crt_signal(int, void *) __asm__("signal");
int __linkjit_repl_on_console(int (*)(unsigned), int) __asm__("SetConsoleCtrlHandler");
unsigned __linkjit_repl_thread(void) __asm__("GetCurrentThreadId");
void *__linkjit_repl_open_thread(unsigned, int, unsigned) __asm__("OpenThread");
unsigned __linkjit_repl_suspend(void *) __asm__("SuspendThread");
unsigned __linkjit_repl_resume(void *) __asm__("ResumeThread");
int __linkjit_repl_get_context(void *, struct __linkjit_repl_context *) __asm__("GetThreadContext");
int __linkjit_repl_set_context(void *, const struct __linkjit_repl_context *) __asm__("SetThreadContext");
int __linkjit_repl_close_handle(void *) __asm__("CloseHandle");
void __linkjit_repl_sleep(unsigned) __asm__("Sleep");
void *__linkjit_repl_image_of(void *, void **) __asm__("RtlPcToFileHeader");

// Codes of our own: an interrupted entry, and one that called abort.
static const unsigned __linkjit_repl_code_interrupt = 0xE0525049u, __linkjit_repl_code_abort = 0xE0525041u;

// The entry that runs, and why it ended.
static struct {
  unsigned thread;
  unsigned code, count;
  __linkjit_repl_u64 parameters[2];
} __linkjit_repl_running;

// A call with a handler. There is no way to say this in C++ that both ABIs have. `landing` is where a handled exception goes on.
int __linkjit_repl_guard(void (*)(void));
extern char __linkjit_repl_landing[];
__asm__(".text\n"
        ".globl __linkjit_repl_guard\n"
        ".globl __linkjit_repl_landing\n"
        ".p2align 4\n"
        ".seh_proc __linkjit_repl_guard\n"
        "__linkjit_repl_guard:\n"
        ".seh_handler __linkjit_repl_handle, @except\n"
        "subq $40, %rsp\n"
        ".seh_stackalloc 40\n"
        ".seh_endprologue\n"
        "callq *%rcx\n"
        "xorl %eax, %eax\n"
        "__linkjit_repl_landing:\n"
        "addq $40, %rsp\n"
        "retq\n"
        ".seh_endproc\n");

#if defined(__cplusplus) && defined(__cpp_exceptions) && !defined(__MINGW32__)
} // extern "C"
namespace __linkjit_repl {
static void report_thrown(void *object, const throw_info *information, unsigned long long base);
}
extern "C" {
#endif

// The handler of the guard, which is asked when no frame within has handled the exception.
int __linkjit_repl_handle(struct __linkjit_repl_exception *exception, void *frame, struct __linkjit_repl_context *context,
                          void **dispatcher) {
  enum { go_on_searching = 1, history = 8 };
  static struct __linkjit_repl_context scratch;
  scratch = *context;
  // There is no stack left to walk over a stack that has overflown.
  __linkjit_repl_place_count = 0;
  if (exception->code == 0xC00000FDu)
    __linkjit_repl_note_place(scratch.words[__linkjit_repl_context_rip]);
  else
    __linkjit_repl_note_places(&scratch);
#if defined(__cplusplus) && defined(__cpp_exceptions) && !defined(__MINGW32__)
  // The object lives now; a handler outside of the guard ends the search and destroys it.
  if (exception->code == 0xE06D7363u && exception->count >= 4)
    __linkjit_repl::report_thrown((void *)exception->parameters[1],
                                  (const __linkjit_repl::throw_info *)exception->parameters[2], exception->parameters[3]);
#endif
  // Other codes are those of C++'s exceptions, and messages to debuggers.
  if (exception->code >> 30 < 2 || exception->code == 0xE06D7363u)
    return go_on_searching;
  __linkjit_repl_running.code = exception->code;
  __linkjit_repl_running.count = exception->count;
  __linkjit_repl_running.parameters[0] = exception->parameters[0];
  __linkjit_repl_running.parameters[1] = exception->parameters[1];
  __linkjit_repl_unwind(frame, __linkjit_repl_landing, exception, (void *)2, &scratch, dispatcher[history]);
  return go_on_searching;
}

static void __linkjit_repl_report_structured(void) {
  unsigned code = __linkjit_repl_running.code;
  const char *text = code == 0xC0000005u                     ? "access violation"
                     : code == 0xC00000FDu                   ? "stack overflow"
                     : code == 0xC0000094u                   ? "integer division by zero"
                     : code == 0xC0000095u                   ? "integer overflow"
                     : code == 0xC000001Du                   ? "illegal instruction"
                     : code == 0xC0000096u                   ? "privileged instruction"
                     : code == 0xC0000006u                   ? "page can't be read"
                     : code == 0x80000003u                   ? "breakpoint"
                     : code == 0xC0000374u                   ? "heap is corrupted"
                     : code == __linkjit_repl_code_interrupt ? "interrupted"
                     : code == __linkjit_repl_code_abort     ? "abort was called"
                                                             : 0;
  __linkjit_repl_open('e', 256);
  if (text) {
    __linkjit_repl_text(text);
  } else {
    __linkjit_repl_text("structured exception ");
    __linkjit_repl_hex(code);
  }
  if (code == 0xC0000005u && __linkjit_repl_running.count >= 2) {
    __linkjit_repl_u64 kind = __linkjit_repl_running.parameters[0];
    __linkjit_repl_text(kind == 0 ? ": read of address " : kind == 1 ? ": write to address " : ": execution at address ");
    __linkjit_repl_hex(__linkjit_repl_running.parameters[1]);
  }
  __linkjit_repl_close();
}

static void __linkjit_repl_on_abort(int number) {
  (void)number;
  __linkjit_repl_raise_exception(__linkjit_repl_code_abort, 1, 0, 0);
}

// A thread that is interrupted goes on here, as if it had called this where it was. Its stack may not be aligned.
void __linkjit_repl_interrupted(void);
__asm__(".text\n"
        ".globl __linkjit_repl_interrupted\n"
        ".p2align 4\n"
        ".seh_proc __linkjit_repl_interrupted\n"
        "__linkjit_repl_interrupted:\n"
        "pushq %rbp\n"
        ".seh_pushreg %rbp\n"
        "movq %rsp, %rbp\n"
        ".seh_setframe %rbp, 0\n"
        ".seh_endprologue\n"
        "andq $-16, %rsp\n"
        "subq $32, %rsp\n"
        "callq __linkjit_repl_raise_interrupt\n"
        "ud2\n"
        ".seh_endproc\n");

void __linkjit_repl_raise_interrupt(void) {
  __linkjit_repl_raise_exception(__linkjit_repl_code_interrupt, 1, 0, 0);
}

// Ends the entry that runs, from another thread. Code of libraries may hold locks: it gets a fifth of a second to return.
void __linkjit_repl_interrupt(void) {
  unsigned thread = __linkjit_repl_running.thread;
  void *handle = thread ? __linkjit_repl_open_thread(0x1A, 0, thread) : 0;
  for (int tries = 0, done = 0; handle && !done && __linkjit_repl_running.thread == thread; tries++) {
    struct __linkjit_repl_context context;
    void *image;
    if (__linkjit_repl_suspend(handle) == 0xFFFFFFFFu)
      break;
    context.words[__linkjit_repl_context_flags] = 0x100001; // the registers of control flow
    if (__linkjit_repl_get_context(handle, &context)) {
      __linkjit_repl_u64 *words = context.words;
      done = tries == 200 || !__linkjit_repl_image_of((void *)words[__linkjit_repl_context_rip], &image);
      if (done) {
        words[__linkjit_repl_context_rsp] -= 8;
        *(__linkjit_repl_u64 *)words[__linkjit_repl_context_rsp] = words[__linkjit_repl_context_rip];
        words[__linkjit_repl_context_rip] = (__linkjit_repl_u64)__linkjit_repl_interrupted;
        __linkjit_repl_set_context(handle, &context);
      }
    }
    __linkjit_repl_resume(handle);
    if (!done)
      __linkjit_repl_sleep(1);
  }
  if (handle)
    __linkjit_repl_close_handle(handle);
}

static int __linkjit_repl_on_control(unsigned kind) {
  enum { control_c = 0, control_break = 1 };
  if (kind > control_break || !__linkjit_repl_running.thread)
    return 0;
  __linkjit_repl_interrupt();
  return 1;
}

static int __linkjit_repl_enter(void (*entry)(void));

// Runs `entry` until it ends or a structured exception ends it.
static int __linkjit_repl_guarded(void (*entry)(void)) {
  unsigned outer = __linkjit_repl_running.thread;
  void *former = __linkjit_repl_on_crt_signal(22, (void *)__linkjit_repl_on_abort);
  __linkjit_repl_on_console(__linkjit_repl_on_control, 1);
  __linkjit_repl_running.thread = __linkjit_repl_thread();
  int outcome = __linkjit_repl_enter(entry);
  __linkjit_repl_running.thread = outer;
  __linkjit_repl_on_console(__linkjit_repl_on_control, 0);
  __linkjit_repl_on_crt_signal(22, former);
  if (outcome != 2)
    return outcome;
  if (__linkjit_repl_running.code == 0xC00000FDu)
    __linkjit_repl_reset_stack();
  __linkjit_repl_report_structured();
  return __linkjit_repl_running.code == __linkjit_repl_code_interrupt ? 3 : 2;
}

#ifdef __cplusplus
}
#endif
#endif
