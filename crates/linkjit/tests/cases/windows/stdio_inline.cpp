// compilers: msvc
// flags: -O0
// flags: -O2
// expect: wide two
// expect: scanned three
// As Microsoft's headers define wide functions: their options are a variable of the image, which its start-up code sets.
#include "crt.h"
extern "C" {
typedef unsigned long long options_t;
int __stdio_common_vfwprintf(options_t, void *, const wchar_t *, void *, __builtin_va_list);
int __stdio_common_vswscanf(options_t, const wchar_t *, size_t_, const wchar_t *, void *, __builtin_va_list);
__declspec(noinline) inline options_t *__local_stdio_printf_options() { static options_t _OptionsStorage; return &_OptionsStorage; }
__declspec(noinline) inline options_t *__local_stdio_scanf_options() { static options_t _OptionsStorage; return &_OptionsStorage; }
inline int wprintf(const wchar_t *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    int result = __stdio_common_vfwprintf(*__local_stdio_printf_options(), __acrt_iob_func(1), format, nullptr, arguments);
    __builtin_va_end(arguments);
    return result;
}
inline int swscanf(const wchar_t *text, const wchar_t *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    int result = __stdio_common_vswscanf(*__local_stdio_scanf_options(), text, ~0ull, format, nullptr, arguments);
    __builtin_va_end(arguments);
    return result;
}
}
int main() {
    wchar_t word[16];
    wprintf(L"wide %s\n", L"two");
    swscanf(L"three", L"%s", word);
    wprintf(L"scanned %s\n", word);
}
