// Values of all kinds: the expected text, then the expression.
#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <tuple>
#include <variant>
#include <vector>

#include "support.h"

enum class Color { red, green };
enum Flags : unsigned { readable = 1, writable = 2, executable = 4 };
enum class Sign : signed char { minus = -1, plus = 1 };
enum Plain { first, second };
// As the front end does.
template <> const char *__linkjit_repl::enumerators<Color>() { return "Color::red=0,Color::green=1"; }
template <> const char *__linkjit_repl::enumerators<Flags>() { return "readable=1,writable=2,executable=4"; }
template <> const char *__linkjit_repl::enumerators<Sign>() { return "Sign::minus=-1,Sign::plus=1"; }

struct Fields {
  int count;
  std::string name;
  double pair[2];
};
struct Bits {
  unsigned low : 3, high : 5;
};
struct Empty {};
class Private {
  [[maybe_unused]] int hidden = 1;
};
union Either {
  int number;
  float real;
};
struct Incomplete;
struct Immovable {
  int number = 3;
  Immovable() {}
  Immovable(Immovable &&) = delete;
};
struct Node {
  int number;
  std::shared_ptr<Node> next;
};
struct Streamed {
  friend std::ostream &operator<<(std::ostream &out, const Streamed &) { return out << "streamed " << 42; }
};
struct WithMember {
  std::string to_string() const { return "by member"; }
};
namespace shapes {
struct Square {};
std::string to_string(const Square &) { return "a square"; }
struct Image {};
std::pair<std::string, std::string> mime(const Image &) { return {"image/png", std::string("a\0b", 3)}; }
struct Page {
  const char *to_string() const { return "page"; }
};
std::map<std::string, std::string> mime(const Page &) { return {{"text/html", "<b>"}, {"text/latex", "$x$"}}; }
} // namespace shapes
typedef float Vector __attribute__((vector_size(16)));
int function(int number) { return number; }

static void numbers() {
  int i = 5;
  const int ci = 6;
  volatile int vi = 7;
  EXPECT("true", true);
  EXPECT("5", i);
  EXPECT("6", ci);
  EXPECT("7", vi);
  EXPECT("-5", -5L);
  EXPECT("-9223372036854775808", -9223372036854775807LL - 1);
  EXPECT("18446744073709551615", 18446744073709551615ull);
  EXPECT("7", (unsigned char)7);
  EXPECT("-7", (signed char)-7);
  EXPECT("-3", (short)-3);
  EXPECT("-1267650600228229401496703205376", (__int128)-1 << 100);
  EXPECT("340282366920938463463374607431768211455", (unsigned __int128)-1);
  EXPECT("'a'", 'a');
  EXPECT("'\\''", '\'');
  EXPECT("'\"'", '"');
  EXPECT("'\\n'", '\n');
  EXPECT("'\\0'", (char)0);
  EXPECT("'\\xe9'", '\xe9');
  EXPECT("L'x'", L'x');
  EXPECT("u'\u20ac'", u'\u20ac');
  EXPECT("U'\U0001F600'", U'\U0001F600');
  EXPECT("u'\\xd800'", (char16_t)0xd800);
  EXPECT("u8'a'", u8'a');
  EXPECT("0.1", 0.1);
  EXPECT("0.1", 0.1f);
  EXPECT("0.1", 0.1L);
  EXPECT("3.0", 3.0);
  EXPECT("-0.0", -0.0);
  EXPECT("0.30000000000000004", 0.1 + 0.2);
  EXPECT("1e300", 1e300);
  EXPECT("5e-324", 4.9e-324);
  EXPECT("1.7976931348623157e308", 1.7976931348623157e308);
  EXPECT("9007199254740992.0", 9007199254740992.0);
  EXPECT("0.0001", 0.0001);
  EXPECT("1.5e-5", 0.000015);
  EXPECT("1e23", 1e23);
  EXPECT("16777216.0", 16777216.0f);
  EXPECT("inf", 1 / 0.0);
  EXPECT("-inf", -1 / 0.0f);
  EXPECT("nan", __builtin_nan(""));
  if (sizeof(long double) == 16)
    EXPECT("0.33333333333333333334", 1.0L / 3);
  _Complex double c = {1, 2};
  EXPECT("(1.0, 2.0)", c);
  EXPECT("{1.0, 2.0, 3.0, 4.0}", (Vector{1, 2, 3, 4}));
}

static void strings() {
  EXPECT("\"abc\"", "abc");
  EXPECT("\"q'\\\"\\\\\\t\\x01\\xff\u20ac\"", "q'\"\\\t\x01\xff\u20ac");
  EXPECT("L\"wide\u20ac\"", L"wide\u20ac");
  EXPECT("u\"\U0001F600\"", u"\U0001F600");
  EXPECT("U\"32\"", U"32");
  EXPECT("u8\"8\"", u8"8");
  const char *text = "text";
  EXPECT("\"text\"", text);
  text = nullptr;
  EXPECT("nullptr", text);
  char buffer[20] = "buffer";
  EXPECT("\"buffer\"", buffer);
  std::string kept = "kept";
  EXPECT("\"kept\"", kept);
  EXPECT("\"a\\0b\"", std::string("a\0b", 3));
  EXPECT("\"view\"", std::string_view("view"));
  EXPECT("L\"wide\"", std::wstring(L"wide"));
  EXPECT("u8\"8\"", std::u8string(u8"8"));
  EXPECT("u\"16\"", std::u16string(u"16"));
  EXPECT("\"" + std::string(4096, 'x') + "\"...", std::string(5000, 'x'));
}

static void pointers_and_enumerations() {
  EXPECT("nullptr", (int *)nullptr);
  EXPECT("nullptr", nullptr);
  EXPECT("0x1234", (void *)0x1234);
  EXPECT("nullptr", (int (*)(int))nullptr);
  char address[32];
  std::snprintf(address, sizeof address, "0x%llx", (unsigned long long)&function);
  EXPECT(address, &function);
  EXPECT(address, function);
  expect("null", __linkjit_repl_last_of(0) ? "an object" : "null", "the last value after a function");
  EXPECT("offset 8", &Fields::name);
  EXPECT("nullptr", (int Fields::*)nullptr);
  EXPECT("Color::green", Color::green);
  EXPECT("(Color)7", (Color)7);
  EXPECT("readable", readable);
  EXPECT("readable | executable", (Flags)(readable | executable));
  EXPECT("(Flags)8", (Flags)8);
  EXPECT("Sign::minus", Sign::minus);
  EXPECT("(Sign)0", (Sign)0);
  EXPECT("(Plain)1", second);
  EXPECT("(std::byte)5", std::byte{5});
  EXPECT("{Color::red, Color::green}", std::vector{Color::red, Color::green});
}

static void lists() {
  int list[3] = {1, 2, 3}, square[2][2] = {{1, 2}, {3, 4}};
  EXPECT("{1, 2, 3}", list);
  EXPECT("{{1, 2}, {3, 4}}", square);
  std::vector<int> vector{1, 2, 3};
  EXPECT("{1, 2, 3}", vector);
  std::vector<bool> bits{true, false};
  EXPECT("{true, false}", bits);
  EXPECT("true", bits[0]);
  std::string many = "{";
  for (int i = 0; i < 32; i++)
    many += "0, ";
  EXPECT(many + "...}", std::vector<int>(40));
  EXPECT("{{\"a\", {1, 2}}, {\"b\", {}}}", std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {}}});
  EXPECT("{'a', 'b'}", std::set<char>{'b', 'a'});
  EXPECT("{1.5}", std::list<float>{1.5f});
  EXPECT("{1}", std::deque<int>{1});
  EXPECT("{1, 2}", std::array<int, 2>{1, 2});
  EXPECT("{1, 2, 3}", std::span<int>(vector));
  EXPECT("{1, 2}", std::initializer_list<int>{1, 2});
  EXPECT("{1, 3}", vector | std::views::filter([](int i) { return i % 2; }));
  EXPECT("{1, 4, 9}", vector | std::views::transform([](int i) { return i * i; }));
  EXPECT("{1, \"x\"}", std::pair(1, "x"));
  EXPECT("{1, 'c', 2.5}", std::tuple(1, 'c', 2.5));
  EXPECT("{}", std::tuple<>());
  std::vector<std::vector<std::string>> large(32, std::vector<std::string>(32, std::string(100, 'x')));
  __linkjit_repl::show(large);
  std::string text = records();
  expect("65536 xx...", std::to_string(text.size()) + " " + text.substr(text.size() - 5), "large");
}

static void holders() {
  EXPECT("nullopt", std::optional<int>());
  EXPECT("4", std::optional<int>(4));
  EXPECT("\"text\"", std::variant<int, std::string>("text"));
  EXPECT("{}", std::variant<std::monostate, int>());
  EXPECT("-> 3", std::make_unique<int>(3));
  EXPECT("nullptr", std::unique_ptr<int>());
  EXPECT("nullptr", std::unique_ptr<int[]>());
  EXPECT("nullptr", std::shared_ptr<void>());
  auto shared = std::make_shared<std::string>("s");
  std::weak_ptr<std::string> weak = shared;
  EXPECT("-> \"s\"", shared);
  EXPECT("-> \"s\"", weak);
  shared.reset();
  EXPECT("expired", weak);
  auto node = std::make_shared<Node>(Node{1, nullptr});
  node->next = node;
#if __has_builtin(__builtin_structured_binding_size)
  EXPECT("-> {1, -> {1, -> {1, -> {1, ...}}}}", node);
#endif
  node->next = nullptr;
  int number = 5;
  EXPECT("5", std::ref(number));
  std::atomic<int> atomic{9};
  EXPECT("9", atomic);
  EXPECT("empty", std::any());
  EXPECT("int", std::any(5));
  EXPECT("empty function", std::function<void()>());
  EXPECT("function", std::function<void()>([] {}));
  // These would wait.
  std::promise<int> promise;
  auto future = promise.get_future().share();
  __linkjit_repl::show(future);
  records();
}

static void library() {
  using namespace std::chrono;
  EXPECT("(1.0, -2.0)", std::complex<double>(1, -2));
  EXPECT("5ms", 5ms);
  EXPECT("1.5h", 1.5h);
  EXPECT("2min", 2min);
  EXPECT("3[1/60]s", duration<int, std::ratio<1, 60>>(3));
  EXPECT("2026-11-30", sys_days(year(2026) / 11 / 30));
  EXPECT("2009-02-13 23:31:30 UTC", sys_seconds(1234567890s));
  EXPECT("1969-12-31 23:59:59.999 UTC", sys_time<milliseconds>(-1ms));
  EXPECT("5000000000ns", steady_clock::time_point(5s));
  EXPECT("00101", std::bitset<5>(5));
  EXPECT("\"bad\"", std::runtime_error("bad"));
  EXPECT("\"b\"", std::filesystem::path("a/b").filename().string());
  EXPECT(sizeof(std::filesystem::path::value_type) > 1 ? "L\"b\"" : "\"b\"", std::filesystem::path("b"));
  EXPECT("generic:22 (Invalid argument)", std::make_error_code(std::errc::invalid_argument));
}

static void classes() {
  EXPECT("{}", Empty{});
#if __has_builtin(__builtin_structured_binding_size)
  Fields fields{1, "s", {1, 2.5}};
  EXPECT("{1, \"s\", {1.0, 2.5}}", fields);
  EXPECT("{3, 4}", Bits{3, 4});
  EXPECT("{3}", Immovable{});
#endif
  char address[32];
  Private hidden;
  std::snprintf(address, sizeof address, "@0x%llx", (unsigned long long)&hidden);
  EXPECT(address, hidden);
  Either either{1};
  std::snprintf(address, sizeof address, "@0x%llx", (unsigned long long)&either);
  EXPECT(address, either);
  EXPECT(address, reinterpret_cast<Incomplete &>(either));
  EXPECT("streamed 42", Streamed{});
  EXPECT("{streamed 42, streamed 42}", std::vector<Streamed>(2));
  EXPECT("by member", WithMember{});
  EXPECT("a square", shapes::Square{});
  EXPECT("{} d:image/png|a|b", shapes::Image{});
  EXPECT("page d:text/html|<b> d:text/latex|$x$", shapes::Page{});
}

static void last_values() {
  int number = 5;
  EXPECT("5", number);
  *(int *)__linkjit_repl_last_of(0) = 6;
  expect("6", std::to_string(number), "the last value is the variable itself");
  EXPECT("{1}", std::vector<int>{1});
  expect("1", std::to_string(((std::vector<int> *)__linkjit_repl_last_of(0))->at(0)), "the last value is a copy");
  EXPECT("-> 7", std::make_unique<int>(7));
  expect("7", std::to_string(**(std::unique_ptr<int> *)__linkjit_repl_last_of(0)), "the last value is moved");
}

int main() {
  numbers();
  strings();
  pointers_and_enumerations();
  lists();
  holders();
  library();
  classes();
  last_values();
  return failures != 0;
}
