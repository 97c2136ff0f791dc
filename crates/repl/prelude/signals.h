// Signals that end an entry, on Linux. The layouts are those of glibc and musl on x86-64 and AArch64.
#if defined(__linux__)
#ifdef __cplusplus
extern "C" {
#endif

struct __linkjit_repl_signal {
  int number, error, code;
  void *address;
};
struct __linkjit_repl_action {
  void *handler;
  unsigned long mask[16];
  int flags;
  void *restorer;
};
struct __linkjit_repl_stack {
  void *base;
  int flags;
  __linkjit_repl_size size;
};
int __linkjit_repl_sigaction(int, const struct __linkjit_repl_action *, struct __linkjit_repl_action *) __asm__("sigaction");
int __linkjit_repl_sigaltstack(const struct __linkjit_repl_stack *, struct __linkjit_repl_stack *) __asm__("sigaltstack");
int __linkjit_repl_setjmp(void *, int) __asm__("__sigsetjmp") __attribute__((returns_twice));
void __linkjit_repl_longjmp(void *, int) __asm__("siglongjmp") __attribute__((noreturn));
unsigned long __linkjit_repl_thread(void) __asm__("pthread_self");
int __linkjit_repl_kill(unsigned long, int) __asm__("pthread_kill");
int __linkjit_repl_raise(int) __asm__("raise");

enum { __linkjit_repl_sigint = 2, __linkjit_repl_signals = 7, __linkjit_repl_stack_size = 65536 };
static const int __linkjit_repl_numbers[__linkjit_repl_signals] = {11, 7, 8, 4, 6, 5, __linkjit_repl_sigint};
static const char *const __linkjit_repl_signal_names[__linkjit_repl_signals] = {
    "SIGSEGV (invalid memory reference)", "SIGBUS (invalid memory access)", "SIGFPE (arithmetic error)",
    "SIGILL (illegal instruction)",       "SIGABRT (abort was called)",     "SIGTRAP (breakpoint)",
    "interrupted"};

// A run of an entry. The handler only fills it in and leaves: all else happens on the entry's own stack.
struct __linkjit_repl_frame {
  struct __linkjit_repl_frame *outer;
  unsigned long thread;
  int signal, code;
  __linkjit_repl_u64 address, stack;
  __attribute__((aligned(16))) char jump[512];
  struct __linkjit_repl_action former[__linkjit_repl_signals];
};
static struct __linkjit_repl_frame *__linkjit_repl_running;
// The stack of the handler, which leaves it at once: nested runs share it.
static __attribute__((aligned(16))) char __linkjit_repl_handlers_stack[__linkjit_repl_stack_size];

// The signal is not for an entry: who handled it before handles it.
static void __linkjit_repl_pass_on(int which, struct __linkjit_repl_signal *signal, void *context) {
  struct __linkjit_repl_frame *frame = __linkjit_repl_running;
  while (frame && frame->outer)
    frame = frame->outer;
  if (!frame)
    return;
  struct __linkjit_repl_action *former = &frame->former[which];
  if ((__linkjit_repl_u64)former->handler > 1) {
    // SA_RESETHAND: the kernel would have taken it away, and it may end the process by the same signal.
    if ((unsigned)former->flags >> 31) {
      struct __linkjit_repl_action standard = {0, {0}, 0, 0};
      __linkjit_repl_sigaction(signal->number, &standard, 0);
    }
    ((void (*)(int, struct __linkjit_repl_signal *, void *))former->handler)(signal->number, signal, context);
  } else if (!former->handler) {
    // The default is to end the process, now or when the instruction is tried again.
    __linkjit_repl_sigaction(signal->number, former, 0);
    if (signal->code <= 0)
      __linkjit_repl_raise(signal->number);
  }
}

// Notes where it came. The unwinder may be what the user has interrupted, and may have a lock.
static void __linkjit_repl_note_signal(int number, __linkjit_repl_u64 place, const struct __linkjit_repl_frame *frame) {
  __linkjit_repl_place_count = 0;
  if (number != __linkjit_repl_sigint && place != frame->address)
    __linkjit_repl_note_places(place);
  if (__linkjit_repl_place_count)
    return;
  __linkjit_repl_note_place(place);
#if defined(__x86_64__)
  // A call to where no code is.
  if (number == 11 && place == frame->address)
    __linkjit_repl_note_place(*(__linkjit_repl_u64 *)frame->stack);
#endif
}

static void __linkjit_repl_on_signal(int number, struct __linkjit_repl_signal *signal, void *context) {
  struct __linkjit_repl_frame *frame = __linkjit_repl_running;
  int which = 0;
  while (__linkjit_repl_numbers[which] != number)
    which++;
  if (frame && frame->thread == __linkjit_repl_thread()) {
    frame->signal = which;
    frame->code = signal->code;
    frame->address = (__linkjit_repl_u64)signal->address;
#if defined(__x86_64__)
    frame->stack = ((__linkjit_repl_u64 *)context)[5 + 15];
    __linkjit_repl_note_signal(number, ((__linkjit_repl_u64 *)context)[5 + 16], frame);
#elif defined(__aarch64__)
    frame->stack = ((__linkjit_repl_u64 *)context)[54];
    __linkjit_repl_note_signal(number, ((__linkjit_repl_u64 *)context)[55], frame);
#endif
    __linkjit_repl_longjmp(frame->jump, 1);
  }
  if (frame && number == __linkjit_repl_sigint)
    __linkjit_repl_kill(frame->thread, number);
  else
    __linkjit_repl_pass_on(which, signal, context);
}

// Ends the entry that runs, from any thread: it is as if the user had interrupted it.
void __linkjit_repl_interrupt(void) {
  struct __linkjit_repl_frame *frame = __linkjit_repl_running;
  if (frame)
    __linkjit_repl_kill(frame->thread, __linkjit_repl_sigint);
}

static void __linkjit_repl_report_signal(const struct __linkjit_repl_frame *frame) {
  int number = __linkjit_repl_numbers[frame->signal];
  int memory = (number == 11 || number == 7) && frame->code > 0 && frame->code < 128;
  __linkjit_repl_open('e', 256);
  if (number == 11 && memory && frame->address + 65536 > frame->stack && frame->address < frame->stack + 4096)
    __linkjit_repl_text("SIGSEGV (stack overflow)");
  else if (number == 8 && frame->code == 1)
    __linkjit_repl_text("SIGFPE (integer division by zero)");
  else
    __linkjit_repl_text(__linkjit_repl_signal_names[frame->signal]);
  if (memory) {
    __linkjit_repl_text(" at address ");
    __linkjit_repl_hex(frame->address);
  }
  __linkjit_repl_close();
}

static int __linkjit_repl_enter(void (*entry)(void));

// Runs `entry` until it ends or a signal ends it.
static int __linkjit_repl_guarded(void (*entry)(void)) {
  struct __linkjit_repl_frame frame;
  // Flags: with information, on the other stack, unblocked while it is handled.
  struct __linkjit_repl_action action = {(void *)__linkjit_repl_on_signal, {0}, 0x48000004, 0};
  struct __linkjit_repl_stack stack, former_stack;
  stack.base = __linkjit_repl_handlers_stack;
  stack.flags = 0;
  stack.size = __linkjit_repl_stack_size;
  int outcome, other_stack = !__linkjit_repl_sigaltstack(&stack, &former_stack);
  frame.outer = __linkjit_repl_running;
  frame.thread = __linkjit_repl_thread();
  for (int i = 0; i < __linkjit_repl_signals; i++)
    __linkjit_repl_sigaction(__linkjit_repl_numbers[i], 0, &frame.former[i]);
  // Interrupts are for inputs: between these, the user interrupts the compiler or the linker, and must not lose this process.
  if (!frame.outer)
    frame.former[__linkjit_repl_signals - 1].handler = (void *)1;
  if (__linkjit_repl_setjmp(frame.jump, 1) == 0) {
    __linkjit_repl_running = &frame;
    for (int i = 0; i < __linkjit_repl_signals; i++)
      __linkjit_repl_sigaction(__linkjit_repl_numbers[i], &action, 0);
    outcome = __linkjit_repl_enter(entry);
    __linkjit_repl_running = frame.outer;
  } else {
    __linkjit_repl_running = frame.outer;
    __linkjit_repl_report_signal(&frame);
    outcome = __linkjit_repl_numbers[frame.signal] == __linkjit_repl_sigint ? 3 : 2;
  }
  for (int i = 0; i < __linkjit_repl_signals; i++)
    __linkjit_repl_sigaction(__linkjit_repl_numbers[i], &frame.former[i], 0);
  if (other_stack)
    __linkjit_repl_sigaltstack(&former_stack, 0);
  return outcome;
}

#ifdef __cplusplus
}
#endif
#endif
