// Values in C++: `__linkjit_repl::show`. docs/repl-values.md says what is shown of which type. Types of the standard library
// are known by their members, so that no header is needed, and those of other libraries with the same members are shown, too.
#ifdef __cplusplus
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wc++26-extensions"
#pragma clang diagnostic ignored "-Wc++20-extensions"
#pragma clang diagnostic ignored "-Wc++17-extensions"
#pragma clang diagnostic ignored "-Wundefined-inline"
#pragma clang diagnostic ignored "-Wundefined-internal"

namespace __linkjit_repl {

// The front end specializes this for enumerations.
template <class E> const char *enumerators() { return nullptr; }

struct place {};

} // namespace __linkjit_repl

inline void *operator new(__SIZE_TYPE__, void *address, __linkjit_repl::place) noexcept { return address; }
inline void operator delete(void *, void *, __linkjit_repl::place) noexcept {}

namespace __linkjit_repl {

using u64 = unsigned long long;
enum { longest_list = 32, deepest = 8 };
// The depth of the value that is being shown in the one that was to be shown.
extern int depth;

template <class T> T &it() noexcept;
template <class T> struct plain_type { using type = T; };
template <class T> struct plain_type<const T> { using type = T; };
template <class T> struct plain_type<volatile T> { using type = T; };
template <class T> struct plain_type<const volatile T> { using type = T; };
template <class T> using plain = typename plain_type<T>::type;
template <class T> using no_reference = __remove_reference_t(T);

// `name<T>` is true if the expression, which may use `it<T>()`, is valid.
#define __LINKJIT_REPL_HAS(name, ...)                                                                                             \
  template <class T, class = void> constexpr bool name = false;                                                                   \
  template <class T> constexpr bool name<T, decltype((void)(__VA_ARGS__))> = true;
__LINKJIT_REPL_HAS(is_complete, sizeof(T))
__LINKJIT_REPL_HAS(is_atomic, it<T>().load(), it<T>().is_lock_free())
__LINKJIT_REPL_HAS(is_string, sizeof(typename T::traits_type), it<const T>().data()[it<const T>().size()])
__LINKJIT_REPL_HAS(is_bit, it<T>().flip(), (bool)it<const T>(), ~it<const T>())
__LINKJIT_REPL_HAS(has_size, it<const T>().size())
__LINKJIT_REPL_HAS(has_value, (bool)it<const T>().has_value())
__LINKJIT_REPL_HAS(has_error, it<const T>().error())
__LINKJIT_REPL_HAS(has_star, (void)*it<T>())
__LINKJIT_REPL_HAS(has_type, it<const T>().type().name())
__LINKJIT_REPL_HAS(has_target, it<const T>().target_type(), (bool)it<const T>())
__LINKJIT_REPL_HAS(is_variant, it<const T>().index(), it<const T>().valueless_by_exception())
__LINKJIT_REPL_HAS(is_duration, it<const T>().count(), T::period::num)
__LINKJIT_REPL_HAS(is_time_point, it<const T>().time_since_epoch().count())
__LINKJIT_REPL_HAS(is_system_time, T::clock::to_time_t(it<const T>()))
__LINKJIT_REPL_HAS(is_complex, it<const T>().real(), it<const T>().imag())
__LINKJIT_REPL_HAS(is_path, it<const T>().native(), it<const T>().has_filename())
__LINKJIT_REPL_HAS(is_error, it<const T>().category().name(), it<const T>().value(), it<const T>().message())
__LINKJIT_REPL_HAS(has_what, __builtin_strlen(it<const T>().what()))
__LINKJIT_REPL_HAS(has_get, it<const T>().get())
__LINKJIT_REPL_HAS(has_wait, it<const T>().wait())
__LINKJIT_REPL_HAS(has_bool, (bool)it<const T>())
__LINKJIT_REPL_HAS(has_lock, it<const T>().lock(), it<const T>().expired(), it<const T>().use_count())
__LINKJIT_REPL_HAS(has_member_text, it<const T>().to_string())
__LINKJIT_REPL_HAS(has_text, to_string(it<const T>()))
__LINKJIT_REPL_HAS(has_mime, mime(it<const T>()))
__LINKJIT_REPL_HAS(is_range, it<T>().begin() != it<T>().end(), *it<T>().begin())
__LINKJIT_REPL_HAS(is_pair, it<T>().first, it<T>().second)
__LINKJIT_REPL_HAS(has_data, it<T>().data() + it<T>().size())
__LINKJIT_REPL_HAS(has_type_and_data, it<T>().type, it<T>().data)
__LINKJIT_REPL_HAS(has_index, it<T>()[0])
__LINKJIT_REPL_HAS(has_parts, sizeof(char[sizeof(T) == 2 * sizeof(__real__ it<T>()) ? 1 : -1]))
__LINKJIT_REPL_HAS(is_reference, static_cast<typename T::type &>(it<const T>()), it<const T>().get())
__LINKJIT_REPL_HAS(can_compare, it<T>() == it<T>())

#undef __LINKJIT_REPL_HAS

template <class T> constexpr const char *prefix = nullptr;
template <> inline constexpr const char *prefix<char> = "";
template <> inline constexpr const char *prefix<wchar_t> = "L";
template <> inline constexpr const char *prefix<char16_t> = "u";
template <> inline constexpr const char *prefix<char32_t> = "U";
#ifdef __cpp_char8_t
template <> inline constexpr const char *prefix<char8_t> = "u8";
#endif

// Members that are looked at may be templates that are wrong for the type, hence no more of them than needed.
enum pointer_kind { none_at_all, to_object, to_memory };
template <class T, bool = has_get<T>> constexpr pointer_kind smart_pointer = none_at_all;
template <class T>
constexpr pointer_kind smart_pointer<T, true> =
    !has_bool<T> || has_wait<T> ? none_at_all : has_star<T> ? to_object : to_memory;

template <class T> void put(T &value);

// Shapes that do not depend on types (shapes.h).
void put_address(const volatile void *address);
void put_pointer(u64 address);
void put_type_name(const char *function);
void put_unit(long long numerator, long long denominator);
void put_time(long long seconds, long long fraction, long long denominator, bool with_clock);
void put_any_type(const char *name);

// Braces around the parts of a value, and commas between them.
struct braces {
  u64 count = 0;
  braces() {
    depth++;
    __linkjit_repl_char('{');
  }
  ~braces() {
    depth--;
    __linkjit_repl_char('}');
  }
  // Begins the next part; false if there are too many.
  bool next() {
    if (__linkjit_repl_full)
      return false;
    if (count)
      __linkjit_repl_text(", ");
    if (count++ < longest_list)
      return true;
    __linkjit_repl_text("...");
    return false;
  }
};

// Shapes by type.

template <class S> void put_string(const S &text) {
  using unit = plain<no_reference<decltype(*text.data())>>;
  __linkjit_repl_text(prefix<unit>);
  __linkjit_repl_quoted(text.data(), sizeof(unit), text.size(), '"');
}

// Text that the user has made, without quotes: a string, bytes, or a C string.
template <class S> void put_text(S &&text) {
  if constexpr (has_data<S>) {
    static_assert(sizeof(*text.data()) == 1, "text and data to show consist of bytes");
    __linkjit_repl_bytes(reinterpret_cast<const char *>(text.data()), text.size());
  } else {
    __linkjit_repl_text(text);
  }
}

template <class T> void put_number(T value) {
  if constexpr (sizeof(T) > 16) {
    put_address(&value);
  } else if constexpr (__is_same(T, bool)) {
    __linkjit_repl_text(value ? "true" : "false");
  } else if constexpr (prefix<T> != nullptr) {
    __linkjit_repl_text(prefix<T>);
    __linkjit_repl_quoted(&value, sizeof value, 1, '\'');
  } else if constexpr (__is_integral(T) && sizeof(T) > 8) {
    __linkjit_repl_wide(static_cast<unsigned __int128>(value), value < 0);
  } else if constexpr (__is_integral(T)) {
    if constexpr (T(-1) < T(0))
      __linkjit_repl_signed(static_cast<long long>(value));
    else
      __linkjit_repl_decimal(static_cast<u64>(value));
  } else {
    unsigned __int128 image = 0;
    constexpr bool extended = sizeof(T) > 8 && __LDBL_MANT_DIG__ == 64 && __is_same(T, long double);
    __builtin_memcpy(&image, &value, extended ? 10 : sizeof value);
    constexpr bool brain = sizeof(T) == 2 && T(256) == T(257); // __bf16 has float's exponent
    __linkjit_repl_real(image, extended ? 64 : sizeof(T) > 8 ? 112 : sizeof(T) == 8 ? 52 : sizeof(T) == 4 ? 23 : brain ? 7 : 10,
                        sizeof(T) > 8 ? 15 : sizeof(T) == 8 ? 11 : sizeof(T) == 4 || brain ? 8 : 5, extended);
  }
}

template <class E> void put_enum(E value) {
  using number = __underlying_type(E);
  if (__linkjit_repl_enumerators(enumerators<E>(), static_cast<u64>(static_cast<number>(value))))
    return;
  __linkjit_repl_char('(');
  put_type_name(__PRETTY_FUNCTION__);
  __linkjit_repl_char(')');
  if constexpr (sizeof(number) == 1)
    put_number(static_cast<int>(value));
  else
    put_number(static_cast<number>(value));
}

template <class T> void put_pointer_to(T *value) {
  if constexpr (prefix<plain<T>> != nullptr) {
    if (value) {
      __linkjit_repl_text(prefix<plain<T>>);
      return __linkjit_repl_quoted_string(const_cast<const plain<T> *>(value), sizeof(T));
    }
  }
  put_pointer(reinterpret_cast<u64>(value));
}

template <class T> void put_array(T *values, u64 count) {
  if constexpr (prefix<plain<T>> != nullptr) {
    // An array of characters is a string, and often longer than that.
    while (count && !values[count - 1])
      count--;
    __linkjit_repl_text(prefix<plain<T>>);
    __linkjit_repl_quoted(const_cast<const plain<T> *>(values), sizeof(T), count, '"');
  } else {
    braces list;
    for (u64 i = 0; i < count && list.next(); i++)
      put(values[i]);
  }
}

template <class R> void put_range(R &range) {
  braces list;
  auto end = range.end();
  for (auto i = range.begin(); i != end && list.next(); ++i) {
    auto &&element = *i;
    put(element);
  }
}

// Going through some ranges takes their elements away; their iterators can't be copied or compared.
template <class T> constexpr bool is_multipass = can_compare<T> &&__is_constructible(T, T &);
template <class T> constexpr bool can_go_through_twice = [] {
  if constexpr (is_range<T>)
    return is_multipass<decltype(it<T>().begin())>;
  else
    return false;
}();
template <class T> constexpr u64 parameter_count = 0;
template <template <class...> class T, class... P> constexpr u64 parameter_count<T<P...>> = sizeof...(P);
template <u64... I> struct indices {};
template <class, u64... I> using as_indices = indices<I...>;
template <u64 N> using first_indices = __make_integer_seq<as_indices, u64, N>;

// `get` is found by the type of its argument, once there is some template of that name.
struct none;
template <int> void get(none);

template <class T, class = void> constexpr bool is_tuple = false;
template <class T> constexpr bool is_tuple<T, decltype((void)get<0>(it<T>()))> = parameter_count<plain<T>> != 0;

template <class T, u64... I> void put_tuple(T &value, indices<I...>) {
  braces list;
  auto part = [&list](auto &&each) {
    if (list.next())
      put(each);
  };
  (part(get<I>(value)), ...);
}

template <class T, u64... I> void put_variant(T &value, indices<I...>) {
  if (value.valueless_by_exception())
    return __linkjit_repl_text("valueless");
  auto index = value.index();
  ((index == I ? put(get<I>(value)) : void()), ...);
}

#if __has_builtin(__builtin_structured_binding_size)
template <class T, class = void> constexpr long field_count = -1;
template <class T>
constexpr long field_count<T, decltype((void)__builtin_structured_binding_size(T))> = __builtin_structured_binding_size(T);

template <class T> void put_field(braces &list, const T &field) {
  if (list.next())
    put(field);
}
template <class T> void put_fields(T &value) {
  braces list;
  if constexpr (field_count<T> > 0) {
    auto &[... fields] = value;
    (put_field(list, fields), ...);
  }
}
#else
template <class T> constexpr long field_count = __is_empty(T) ? 0 : -1;
template <class T> void put_fields(T &) { braces list; }
#endif

// A stream that writes into the record. Streams are declared by headers that the user may have included, or not. So
// this takes the type of the stream from the parameter of the user's `operator<<`, to which it converts.
template <class S> struct stream_buffer : no_reference<decltype(*it<S>().rdbuf())> {
  using code = typename S::int_type;
  code overflow(code c) override {
    __linkjit_repl_char(static_cast<char>(c));
    return c;
  }
};
template <class S> struct stream_holder {
  stream_buffer<S> buffer;
  S stream{&buffer};
  static void remove(void *holder) { delete static_cast<stream_holder *>(holder); }
};
struct any_stream {
  mutable void *holder = nullptr;
  mutable void (*remove)(void *) = nullptr;
  any_stream() {}
  any_stream(const any_stream &) = delete;
  ~any_stream() {
    if (holder)
      remove(holder);
  }
  template <class S, class = decltype(S(it<S>().rdbuf())), class = decltype(char(1) - typename S::char_type(1)),
            class = char[sizeof(typename S::char_type) == 1 ? 1 : -1]>
  operator S &() const {
    auto made = new stream_holder<S>;
    holder = made;
    remove = stream_holder<S>::remove;
    return made->stream;
  }
};
template <class T, class = void> constexpr bool has_stream_output = false;
template <class T> constexpr bool has_stream_output<T, decltype((void)(it<const any_stream>() << it<const T>()))> = true;

template <class P> void put_parts(P real, P imaginary) {
  __linkjit_repl_char('(');
  put(real);
  __linkjit_repl_text(", ");
  put(imaginary);
  __linkjit_repl_char(')');
}

// A vector of the processor. Its elements have no addresses.
template <class V> void put_vector(const V &vector) {
  braces list;
  for (u64 i = 0; i < sizeof vector / sizeof vector[0] && list.next(); i++) {
    auto element = vector[i];
    put(element);
  }
}

template <class D> void put_duration(const D &value) {
  put_number(value.count());
  put_unit(D::period::num, D::period::den);
}

template <class T> void put_time_point(const T &value) {
  auto since = value.time_since_epoch();
  using period = typename decltype(since)::period;
  if constexpr (is_system_time<T> && __is_integral(decltype(since.count()))) {
    long long count = since.count(), seconds = count / period::den, fraction = count % period::den;
    if (fraction < 0) {
      fraction += period::den;
      seconds--;
    }
    put_time(seconds * period::num, fraction, period::den, period::num < 86400);
  } else {
    put_duration(since);
  }
}

// Something that may be empty; `*value` is shown if it is not.
template <class T> void put_pointee(T &value) {
  if (!value)
    return __linkjit_repl_text("nullptr");
  __linkjit_repl_text("-> ");
  depth++;
  put(*value);
  depth--;
}

template <class T> void put_holder(T &value) {
  if (value.has_value()) {
    if constexpr (has_star<T>)
      put(*value);
    else if constexpr (has_type<T>)
      put_any_type(value.type().name());
    else
      __linkjit_repl_text("{}");
  } else if constexpr (has_error<T>) {
    auto &&error = value.error();
    __linkjit_repl_text("unexpected ");
    put(error);
  } else {
    __linkjit_repl_text(has_type<T> ? "empty" : "nullopt");
  }
}

// The user's own functions for the type come first, then its members.
template <class T> bool put_by_user(T &value) {
  if constexpr (has_member_text<T>) {
    put_text(value.to_string());
  } else if constexpr (has_text<T>) {
    put_text(to_string(value));
  } else if constexpr (has_stream_output<T>) {
    any_stream stream;
    static_cast<const any_stream &>(stream) << static_cast<const T &>(value);
  } else {
    return false;
  }
  return true;
}

template <class T> void put_class(T &value) {
  using type = plain<T>;
  if constexpr (is_atomic<T>) {
    auto loaded = value.load();
    put(loaded);
  } else if constexpr (is_string<T>) {
    put_string(value);
  } else if constexpr (is_path<T>) {
    put_string(value.native());
  } else if constexpr (is_bit<T> && !has_size<T>) {
    put_number(static_cast<bool>(value));
  } else if constexpr (is_error<T>) {
    __linkjit_repl_text(value.category().name());
    __linkjit_repl_char(':');
    put_number(value.value());
    __linkjit_repl_text(" (");
    put_text(value.message());
    __linkjit_repl_char(')');
  } else if constexpr (is_variant<T>) {
    put_variant(value, first_indices<parameter_count<type>>());
  } else if constexpr (is_duration<T>) {
    put_duration(value);
  } else if constexpr (is_time_point<T>) {
    put_time_point(value);
  } else if constexpr (has_value<T>) {
    put_holder(value);
  } else if constexpr (is_complex<T>) {
    put_parts(value.real(), value.imag());
  } else if constexpr (has_target<T>) {
    __linkjit_repl_text(value ? "function" : "empty function");
  } else if constexpr (is_reference<T> && !has_wait<T>) {
    put(value.get());
  } else if (put_by_user(value)) {
  } else if constexpr (has_what<T>) {
    put_pointer_to(value.what());
  } else if constexpr (has_lock<T>) {
    if (value.expired())
      return __linkjit_repl_text("expired");
    auto locked = value.lock();
    put_pointee(locked);
  } else if constexpr (smart_pointer<T> == to_object) {
    put_pointee(value);
  } else if constexpr (smart_pointer<T> == to_memory) {
    put_pointer_to(value.get());
  } else if constexpr (can_go_through_twice<const T>) {
    put_range(const_cast<const T &>(value));
  } else if constexpr (can_go_through_twice<T>) {
    put_range(value);
  } else if constexpr (is_pair<T>) {
    braces list;
    list.next(), put(value.first);
    list.next(), put(value.second);
  } else if constexpr (__is_empty(type)) {
    __linkjit_repl_text("{}");
  } else if constexpr (is_tuple<T>) {
    put_tuple(value, first_indices<parameter_count<type>>());
  } else if constexpr (field_count<type> >= 0) {
    put_fields(value);
  } else {
    put_address(&reinterpret_cast<const volatile char &>(value));
  }
}

template <class T> void put_member_pointer(T value) {
  u64 image = 0;
  __builtin_memcpy(&image, &value, sizeof value < sizeof image ? sizeof value : sizeof image);
  if (!value)
    return __linkjit_repl_text("nullptr");
  if (!__is_member_object_pointer(T))
    return put_pointer(image);
  __linkjit_repl_text("offset ");
  __linkjit_repl_decimal(image);
}

template <class T> void put(T &value) {
  using type = plain<T>;
  if constexpr (__is_function(T)) {
    put_pointer(reinterpret_cast<u64>(&value));
  } else if constexpr (!is_complete<T>) {
    put_address(&reinterpret_cast<const volatile char &>(value));
  } else if constexpr (has_parts<T>) {
    put_parts(__real__ value, __imag__ value);
  } else if constexpr (__is_integral(type) || __is_floating_point(type)) {
    put_number<type>(value);
  } else if constexpr (__is_enum(type)) {
    put_enum<type>(value);
  } else if constexpr (__is_same(type, decltype(nullptr))) {
    __linkjit_repl_text("nullptr");
  } else if constexpr (__is_pointer(type)) {
    put_pointer_to(static_cast<type>(value));
  } else if constexpr (__is_member_pointer(type)) {
    put_member_pointer<type>(value);
  } else if (depth >= deepest) {
    __linkjit_repl_text("...");
  } else if constexpr (__is_array(T)) {
    put_array(&value[0], sizeof value / sizeof value[0]);
  } else if constexpr (__is_class(type)) {
    put_class(value);
  } else if constexpr (has_index<T>) {
    put_vector(value);
  } else {
    put_address(&reinterpret_cast<const volatile char &>(value));
  }
}

// A MIME type and data, from the user's `mime(value)`.
template <class T, class D> void show_data(const T &type, const D &data) {
  __linkjit_repl_open('d', 60 << 20);
  put_text(type);
  __linkjit_repl_char(0);
  put_text(data);
  if (!__linkjit_repl_full)
    __linkjit_repl_close();
}
template <class B> void show_bundle(const B &bundle) {
  if constexpr (has_type_and_data<B>) {
    show_data(bundle.type, bundle.data);
  } else if constexpr (is_pair<B>) {
    show_data(bundle.first, bundle.second);
  } else {
    for (auto &part : bundle)
      show_bundle(part);
  }
}

template <class T> void show_object(T &value) {
  depth = 0;
  __linkjit_repl_open_value();
  put(value);
  __linkjit_repl_close_value();
  if constexpr (has_mime<T>)
    show_bundle(mime(static_cast<const T &>(value)));
}

// For inputs: shows a value as the end of an input would, but here, and as often as it is called. What `mime` returns belongs to it.
template <class T> void display(const T &value) {
  u64 start = __linkjit_repl_results.length;
  depth = 0;
  __linkjit_repl_open_display();
  put(value);
  __linkjit_repl_close_value();
  if constexpr (has_mime<const T>)
    show_bundle(mime(value));
  __linkjit_repl_send(start);
}

// A copy of a value that would end with the statement. The user may take references to `_`, so it is never destroyed.
template <class T> T *keep(T &value) {
  if constexpr (__is_constructible(T, T) && !__is_array(T)) {
    char *memory = static_cast<char *>(__linkjit_repl_malloc(sizeof(T) + alignof(T)));
    if (!memory)
      return nullptr;
    memory += alignof(T) - reinterpret_cast<u64>(memory) % alignof(T);
    return ::new (memory, place()) T(static_cast<T &&>(value));
  } else {
    return nullptr;
  }
}

template <class T> void show(T &&value) {
  using type = no_reference<T>;
  __linkjit_repl_remember(nullptr);
  if constexpr (__is_function(type)) {
    show_object(value);
  } else if constexpr (__is_lvalue_reference(T)) {
    __linkjit_repl_remember(&const_cast<char &>(reinterpret_cast<const volatile char &>(value)));
    show_object(value);
  } else if (type *kept = keep<type>(value)) {
    __linkjit_repl_remember(const_cast<plain<type> *>(kept));
    show_object(*kept);
  } else {
    show_object(value);
  }
}

} // namespace __linkjit_repl

namespace linkjit {
using __linkjit_repl::display;
}
#pragma clang diagnostic pop
#endif
