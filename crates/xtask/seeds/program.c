extern int printf(const char *, ...);
static int counter; int shared = 4; __thread int local = 5; static __thread int zeros;
__attribute__((weak)) int maybe(void); __attribute__((constructor)) static void init(void) { counter++; }
__attribute__((visibility("hidden"))) int hidden(int n) { return n + local + zeros++; }
__attribute__((section("list"), used)) static int *entry = &counter;
extern int *__start_list[], *__stop_list[], *last;
int common[100];
int main(void) { if (maybe) maybe(); for (int **p = __start_list; p != __stop_list && p != &last; p++) counter += **p;
  printf("%d\n", hidden(counter) + common[3]); return shared; }
