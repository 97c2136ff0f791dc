// The places in the code where an entry was ended: the session finds their lines.
#ifdef __cplusplus
extern "C" {
#endif

enum { __linkjit_repl_most_places = 24 };
// The instruction, if there is one, then the addresses that calls return to, the innermost first.
static __linkjit_repl_u64 __linkjit_repl_places[__linkjit_repl_most_places];
static unsigned __linkjit_repl_place_count;

static void __linkjit_repl_note_place(__linkjit_repl_u64 place) {
  if (__linkjit_repl_place_count < __linkjit_repl_most_places)
    __linkjit_repl_places[__linkjit_repl_place_count++] = place;
}

// Goes behind the record of the reason, and is left out if it would need memory, which may be what is broken.
static void __linkjit_repl_report_places(void) {
  if (!__linkjit_repl_place_count || __linkjit_repl_results.length + 2 * __linkjit_repl_reserve > __linkjit_repl_capacity)
    return;
  __linkjit_repl_open('a', sizeof __linkjit_repl_places);
  __linkjit_repl_bytes((const char *)__linkjit_repl_places, __linkjit_repl_place_count * sizeof *__linkjit_repl_places);
  __linkjit_repl_close();
}

#if !defined(_WIN32)

int __linkjit_repl_walk(int (*)(void *, void *), void *) __asm__("_Unwind_Backtrace") __attribute__((weak));
__linkjit_repl_u64 __linkjit_repl_place_of(void *) __asm__("_Unwind_GetIP") __attribute__((weak));

// `first` is where to begin, 0 once that was found.
static int __linkjit_repl_on_frame(void *frame, void *first) {
  __linkjit_repl_u64 place = __linkjit_repl_place_of(frame), *begin = (__linkjit_repl_u64 *)first;
  if (*begin && *begin != place)
    return 0;
  *begin = 0;
  __linkjit_repl_note_place(place);
  return __linkjit_repl_place_count == __linkjit_repl_most_places ? 4 /* end of stack */ : 0;
}

static void __linkjit_repl_note_places(__linkjit_repl_u64 first) {
  __linkjit_repl_place_count = 0;
  if (__linkjit_repl_walk && __linkjit_repl_place_of)
    __linkjit_repl_walk(__linkjit_repl_on_frame, &first);
}

// Entries have this personality: it is asked for a handler if none was found within. Nothing is unwound yet.
int __linkjit_repl_personality(int version, int actions, __linkjit_repl_u64 kind, void *exception, void *context) {
  enum { searching = 1, go_on = 8 };
  (void)version, (void)kind, (void)exception, (void)context;
  if (actions & searching) {
    __linkjit_repl_note_places(0);
    // The first is a call, too.
    if (__linkjit_repl_place_count)
      __linkjit_repl_places[0] = 0;
  }
  return go_on;
}

#else

// The registers of a thread on x86-64.
enum { __linkjit_repl_context_flags = 6, __linkjit_repl_context_rsp = 19, __linkjit_repl_context_rip = 31 };
struct __linkjit_repl_context {
  __attribute__((aligned(16))) __linkjit_repl_u64 words[1232 / 8];
};
void *__linkjit_repl_find_function(__linkjit_repl_u64, __linkjit_repl_u64 *, void *) __asm__("RtlLookupFunctionEntry");
void *__linkjit_repl_unwind_frame(unsigned, __linkjit_repl_u64, __linkjit_repl_u64, void *, void *, void **,
                                  __linkjit_repl_u64 *, void *) __asm__("RtlVirtualUnwind");

// Begins with a context's registers, which are changed.
static void __linkjit_repl_note_places(struct __linkjit_repl_context *context) {
  __linkjit_repl_u64 *place = &context->words[__linkjit_repl_context_rip];
  __linkjit_repl_u64 *stack = &context->words[__linkjit_repl_context_rsp];
  __linkjit_repl_place_count = 0;
  while (__linkjit_repl_place_count < __linkjit_repl_most_places) {
    __linkjit_repl_u64 image, frame;
    void *data, *function = __linkjit_repl_find_function(*place, &image, 0);
    __linkjit_repl_note_place(*place);
    if (function) {
      __linkjit_repl_unwind_frame(0, image, *place, function, context, &data, &frame, 0);
    } else if (__linkjit_repl_place_count == 1) {
      // It calls nothing, or it is no function at all, and was called.
      *place = *(__linkjit_repl_u64 *)*stack;
      *stack += 8;
    } else {
      break;
    }
  }
}

#endif

#ifdef __cplusplus
}
#endif
