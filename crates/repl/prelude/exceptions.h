// Exceptions that leave an entry: their type, and their text if they have one. Nothing of <exception> may be declared here,
// so objects are looked at by the layouts and vtables that the C++ ABIs fix.
#if defined(__cplusplus) && defined(__cpp_exceptions)
namespace __linkjit_repl {

// The first virtual functions of std::exception: the destructors, then `what`.
inline const char *what_of(void *exception, int slot) {
  using what = const char *(*)(void *);
  return (*reinterpret_cast<what **>(exception))[slot](exception);
}

static void begin_report(const char *type, unsigned long long length) {
  __linkjit_repl_open('e', 4096);
  __linkjit_repl_text("exception of type ");
  __linkjit_repl_bytes(type, length);
}

static void end_report(const char *text) {
  if (text) {
    __linkjit_repl_text(": ");
    __linkjit_repl_text(text);
  }
  __linkjit_repl_close();
}

#if defined(_WIN32) && !defined(__MINGW32__)

// Microsoft's ABI: offsets are relative to the image that has thrown.
struct type_descriptor {
  void *vtable, *spare;
  char name[1];
};
struct catchable_type {
  unsigned properties;
  int type, offset, virtual_base, virtual_offset, size, copy;
};
struct throw_info {
  unsigned attributes;
  int destructor, compatible, types;
};

// `.?AVerror@detail@lib@@` is the class lib::detail::error. Names with templates stay as they are.
static void report_class(const char *name) {
  const char *ends[16], *at = name + 4;
  int parts = 0;
  bool plain = name[0] == '.' && name[1] == '?' && name[2] == 'A';
  for (const char *c = at; plain && parts < 16 && *c && *c != '@'; at = ++c) {
    while (*c && *c != '@' && *c != '?')
      c++;
    plain = *c == '@';
    ends[parts++] = c;
  }
  if (!plain || !parts)
    return begin_report(name, __builtin_strlen(name));
  begin_report("", 0);
  for (int i = parts; i-- > 0;) {
    const char *begin = i ? ends[i - 1] + 1 : name + 4;
    __linkjit_repl_bytes(begin, static_cast<unsigned long long>(ends[i] - begin));
    if (i)
      __linkjit_repl_text("::");
  }
}

static bool is(const char *name, const char *other) { return __builtin_strcmp(name, other) == 0; }

// `object` was thrown; `information` and `base` are the other parameters of the structured exception.
static void report_thrown(void *object, const throw_info *information, unsigned long long base) {
  if (!information)
    return begin_report("unknown", 7), end_report(nullptr);
  auto at = [base](int offset) { return base + static_cast<unsigned>(offset); };
  auto types = reinterpret_cast<const int *>(at(information->types));
  const char *text = nullptr, *first = "";
  for (int i = 0; i < types[0]; i++) {
    auto type = reinterpret_cast<const catchable_type *>(at(types[1 + i]));
    const char *name = reinterpret_cast<const type_descriptor *>(at(type->type))->name;
    if (!i)
      first = name;
    if (is(name, ".?AVexception@std@@") && type->virtual_base < 0)
      text = what_of(static_cast<char *>(object) + type->offset, 1);
    if (is(name, ".PEBD") || is(name, ".PEAD"))
      text = *static_cast<const char **>(object);
  }
  if (is(first, ".H")) {
    begin_report("int: ", 5);
    __linkjit_repl_signed(*static_cast<int *>(object));
  } else if (is(first, ".PEBD") || is(first, ".PEAD")) {
    begin_report("const char *", 12);
  } else {
    report_class(first);
  }
  end_report(text);
}

static void report_caught() {}

#else

struct type_info {
  void **slots;
  const char *name;
};
extern "C" {
type_info *current_exception_type() __asm__("__cxa_current_exception_type");
char *demangle(const char *, char *, __linkjit_repl_size *, int *) __asm__("__cxa_demangle");
extern type_info exception_type __asm__("_ZTISt9exception");
}

// std::exception_ptr, which refers to the object. Its destructor is libstdc++'s or libc++'s.
struct exception_pointer;
void release_by_libstdcxx(exception_pointer *) __asm__("_ZNSt15__exception_ptr13exception_ptrD1Ev") __attribute__((weak));
void release_by_libcxx(exception_pointer *) __asm__("_ZNSt13exception_ptrD1Ev") __attribute__((weak));
struct exception_pointer {
  void *object;
  ~exception_pointer() {
    if (release_by_libstdcxx)
      release_by_libstdcxx(this);
    else if (release_by_libcxx)
      release_by_libcxx(this);
  }
};
exception_pointer current_exception() __asm__("_ZSt17current_exceptionv");

static void report_type(const type_info *type) {
  const char *name = type->name + (type->name[0] == '*');
  char *plain = demangle(name, nullptr, nullptr, nullptr);
  const char *shown = plain ? plain : name;
  begin_report(shown, __builtin_strlen(shown));
  __linkjit_repl_free(plain);
}

// Called in a handler.
static void report_caught() {
  type_info *type = current_exception_type();
  if (!type)
    return begin_report("unknown", 7), end_report(nullptr);
  // `bool std::type_info::__do_catch(const type_info *thrown, void **object, unsigned outer)` is the fifth virtual function
  // in both libraries: it casts the object to the type, if that is a base of what was thrown.
  using do_catch = bool (*)(type_info *, type_info *, void **, unsigned);
  exception_pointer pointer = current_exception();
  void *object = pointer.object;
  const char *text = nullptr;
  const char *name = type->name + (type->name[0] == '*');
  if (reinterpret_cast<do_catch>(exception_type.slots[4])(&exception_type, type, &object, 1))
    text = what_of(object, 2);
  else if (__builtin_strcmp(name, "PKc") == 0 || __builtin_strcmp(name, "Pc") == 0)
    text = *static_cast<const char **>(pointer.object);
  report_type(type);
  if (__builtin_strcmp(name, "i") == 0) {
    __linkjit_repl_text(": ");
    __linkjit_repl_signed(*static_cast<int *>(object));
  } else if (__builtin_strcmp(name, "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE") == 0) {
    text = *static_cast<const char **>(object);
  }
  end_report(text);
}

#endif
} // namespace __linkjit_repl
#endif
