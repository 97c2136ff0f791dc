// compilers: msvc
// expect: code page 932 2 1 1 0
// expect: code page 65001 4 0
// expect: no code page 87
// expect: console 2 87
// expect: not printed 1
// expect: C locale 3 abc 5
// expect: alike 1 1 differ 1
// expect: wide 1 1
// expect: current 2
// expect: work 10 threads 1
// expect: woken 1
// What Microsoft's C++ library links into each image for std::format, std::print, std::regex and parallel algorithms.
#include "crt.h"
typedef unsigned long dword;
struct Conversion { unsigned page, longest; int is_c; unsigned char lead[32]; };
struct Console { long long handle; dword error; };
struct Collation { unsigned page; const wchar_t *locale; };
extern "C" {
dword __std_get_cvt(unsigned, Conversion *);
Console __std_get_unicode_console_handle_from_file_stream(void *);
dword __std_print_to_unicode_console(long long, const char *, unsigned long long);
size_t_ __std_regex_transform_primary_char(char *, char *, const char *, const char *, const Collation *);
size_t_ __std_regex_transform_primary_wchar_t(wchar_t *, wchar_t *, const wchar_t *, const wchar_t *, const Collation *);
unsigned __std_parallel_algorithms_hw_threads();
void *__std_create_threadpool_work(void (*)(void *, void *, void *), void *, void *);
void __std_submit_threadpool_work(void *);
void __std_bulk_submit_threadpool_work(void *, size_t_);
void __std_wait_for_threadpool_work_callbacks(void *, int);
void __std_close_threadpool_work(void *);
void __std_execution_wait_on_uchar(const volatile unsigned char *, unsigned char);
void __std_execution_wake_by_address_all(const volatile void *);
int memcmp(const void *, const void *, size_t_);
size_t_ strlen(const char *);
}
static int size_of(const char *text) { return (int)strlen(text); }
static long calls;
static void call(void *, void *, void *) { __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST); }
static volatile unsigned char flag;
static unsigned long wake(void *) { flag = 1; __std_execution_wake_by_address_all(&flag); return 0; }
static bool alike(const char *one, const char *other, const Collation *locale) {
    char keys[2][64] = {};
    size_t_ sizes[2];
    sizes[0] = __std_regex_transform_primary_char(keys[0], keys[0] + 64, one, one + size_of(one), locale);
    sizes[1] = __std_regex_transform_primary_char(keys[1], keys[1] + 64, other, other + size_of(other), locale);
    return sizes[0] == sizes[1] && sizes[0] <= 64 && !memcmp(keys[0], keys[1], sizes[0]);
}
int main() {
    Conversion japanese, utf8, none;
    dword error = __std_get_cvt(932, &japanese);
    printf("code page %d %d %d %d %d\n", japanese.page, japanese.longest, japanese.lead[0x81 / 8] >> 1 & 1, japanese.lead[0x9f / 8] >> 7, (int)error + (japanese.lead[8] != 0));
    __std_get_cvt(65001, &utf8);
    printf("code page %d %d %d\n", utf8.page, utf8.longest, utf8.lead[31]);
    printf("no code page %lu\n", __std_get_cvt(12345, &none));
    // The output of a test is no console.
    printf("console %lu %lu\n", __std_get_unicode_console_handle_from_file_stream(__acrt_iob_func(1)).error, __std_get_unicode_console_handle_from_file_stream(nullptr).error);
    printf("not printed %d\n", __std_print_to_unicode_console(-1, "text", 4) != 0);
    Collation c = {0, nullptr}, english = {1252, L"en-US"};
    char small[8] = {};
    size_t_ length = __std_regex_transform_primary_char(small, small + 8, "abc", "abc" + 3, &c);
    char text[] = "12345";
    printf("C locale %d %s %d\n", (int)length, small, (int)__std_regex_transform_primary_char(small, small + 3, text, text + 5, &c));
    printf("alike %d %d differ %d\n", alike("e", "E", &english), alike("\xe9", "e", &english), !alike("e", "f", &english));
    wchar_t wide[64], upper[64], narrow_room[1];
    const wchar_t *lower = L"\x00e9t", *capital = L"ET";
    size_t_ one = __std_regex_transform_primary_wchar_t(wide, wide + 64, lower, lower + 2, &english), other = __std_regex_transform_primary_wchar_t(upper, upper + 64, capital, capital + 2, &english);
    printf("wide %d %d\n", one == other && !memcmp(wide, upper, one * 2), __std_regex_transform_primary_wchar_t(narrow_room, narrow_room + 1, lower, lower + 2, &english) == one);
    char current[16];
    printf("current %d\n", (int)__std_regex_transform_primary_char(current, current + 16, "xy", "xy" + 2, nullptr));
    void *work = __std_create_threadpool_work(call, nullptr, nullptr);
    __std_submit_threadpool_work(work);
    __std_bulk_submit_threadpool_work(work, 9);
    __std_wait_for_threadpool_work_callbacks(work, 0);
    __std_close_threadpool_work(work);
    printf("work %ld threads %d\n", calls, __std_parallel_algorithms_hw_threads() > 0);
    void *thread = CreateThread(nullptr, 0, wake, nullptr, 0, nullptr);
    while (!flag) __std_execution_wait_on_uchar(&flag, 0);
    WaitForSingleObject(thread, 0xffffffff);
    printf("woken %d\n", flag);
}
