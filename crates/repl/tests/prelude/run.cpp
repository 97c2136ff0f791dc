// How entries end: `expect_run(outcome, records, entry)`.
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "support.h"

extern "C" void __linkjit_repl_interrupt(void);

static int destroyed;
struct Guard {
  ~Guard() { destroyed++; }
};
static volatile int zero;
static int *volatile nowhere;
namespace shop {
struct Closed : std::logic_error {
  using std::logic_error::logic_error;
};
struct Plain {};
} // namespace shop

static void expect_run(int outcome, const char *text, void (*entry)(), const char *source) {
  int found = __linkjit_repl_run(entry);
  std::string all = records();
  // Addresses of data are what they are.
  std::string start = all.substr(0, std::string(text).size());
  expect(std::to_string(outcome) + " " + text, std::to_string(found) + " " + (text[0] ? start : all), source);
}
#define RUN(outcome, text, ...) expect_run(outcome, text, [] { __VA_ARGS__; }, #__VA_ARGS__)

static int overflow(volatile char *outer) {
  volatile char local[4096];
  local[0] = outer ? outer[0] : 0;
  return overflow(local) + local[1];
}

static void exceptions() {
  RUN(0, "42", __linkjit_repl::show(42));
  RUN(0, "", nowhere = nullptr);
  RUN(1, "e:exception of type std::runtime_error: bad", Guard guard; throw std::runtime_error("bad"));
  expect("1", std::to_string(destroyed), "frames are unwound");
  RUN(1, "e:exception of type shop::Closed: shut", throw shop::Closed("shut"));
  RUN(1, "e:exception of type shop::Plain", throw shop::Plain());
  RUN(1, "e:exception of type int: 5", throw 5);
  RUN(1, "e:exception of type " , throw "text");
  RUN(1, "e:exception of type ", std::vector<int>().at(3));
  RUN(1, "e:exception of type std::bad_alloc", std::vector<char> vector; vector.resize(vector.max_size()));
  RUN(1, "1 e:exception of type int: 2", __linkjit_repl::show(1); throw 2);
  RUN(0, "", try { throw 1; } catch (int) {});
}

#ifdef _WIN32
extern "C" {
int GetCurrentThreadId(void);
void *CreateThread(void *, unsigned long long, unsigned (*)(void *), void *, unsigned, unsigned *);
void Sleep(unsigned);
void RaiseException(unsigned, unsigned, unsigned, const void *);
}
static unsigned interrupt_soon(void *) {
  Sleep(300);
  __linkjit_repl_interrupt();
  return 0;
}
static void crashes() {
  RUN(2, "e:access violation: read of address 0x0", Guard guard; zero = *nowhere);
  RUN(2, "e:access violation: write to address 0x0", *nowhere = 1);
  RUN(2, "e:integer division by zero", zero = 1 / zero);
  RUN(2, "e:stack overflow", zero = overflow(nullptr));
  RUN(2, "e:stack overflow", zero = overflow(nullptr));
  RUN(2, "e:illegal instruction", __builtin_trap());
  RUN(2, "e:abort was called", std::abort());
  RUN(2, "e:structured exception 0xe0000001", RaiseException(0xE0000001, 0, 0, nullptr));
  CreateThread(nullptr, 0, interrupt_soon, nullptr, 0, nullptr);
  RUN(3, "e:interrupted", for (;;) zero = zero);
}
#else
#include <pthread.h>
#include <unistd.h>
static volatile std::sig_atomic_t mine;
static void *interrupt_soon(void *) {
  usleep(300000);
  __linkjit_repl_interrupt();
  return nullptr;
}
static void crashes() {
  std::signal(SIGFPE, [](int) { mine = 1; });
  RUN(2, "e:SIGSEGV (invalid memory reference) at address 0x0", zero = *nowhere);
  RUN(2, "e:SIGFPE (integer division by zero)", zero = 1 / zero);
  RUN(2, "e:SIGSEGV (stack overflow) at address 0x7f", zero = overflow(nullptr));
  RUN(2, "e:SIGSEGV (stack overflow) at address 0x7f", zero = overflow(nullptr));
  RUN(2, "e:SIGILL (illegal instruction)", __builtin_trap());
  RUN(2, "e:SIGTRAP (breakpoint)", __builtin_debugtrap());
  RUN(2, "e:SIGABRT (abort was called)", std::abort());
  RUN(2, "e:SIGABRT (abort was called)", [&]() noexcept { throw 1; }());
  // The signal ends a handler; exceptions work as before.
  RUN(2, "e:SIGSEGV", try { throw 1; } catch (int) { zero = *nowhere; });
  RUN(1, "e:exception of type int: 3", throw 3);
  std::raise(SIGFPE);
  expect("1", std::to_string(mine), "the former handler is there again");
  RUN(3, "e:interrupted", std::raise(SIGINT));
  pthread_t thread;
  pthread_create(&thread, nullptr, interrupt_soon, nullptr);
  RUN(3, "e:interrupted", for (;;) zero = zero);
  pthread_join(thread, nullptr);
  // Another thread gets the signal.
  RUN(3, "e:interrupted", pthread_t other; pthread_create(
      &other, nullptr, [](void *) -> void * { return std::raise(SIGINT), nullptr; }, nullptr);
      for (;;) zero = zero);
}
#endif

int main() {
  exceptions();
  crashes();
  // Output that is buffered is there when a run has ended.
  std::setvbuf(stdout, nullptr, _IOFBF, 4096);
  __linkjit_repl_run([] { std::printf("flushed\n"); });
  std::_Exit(failures != 0);
}
