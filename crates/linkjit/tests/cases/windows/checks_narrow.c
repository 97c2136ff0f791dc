// compilers: msvc
// expect: fits -1 255 -2 65535 5
// expect: told 1 a conversion to a smaller type lost data
// expect: cut off 44
// expect: errors 4 1
// What /RTCc makes of conversions: what is cut off must be all zeros or all ones.
#include "crt.h"
signed char _RTC_Check_2_to_1(short), _RTC_Check_4_to_1(int), _RTC_Check_8_to_1(long long);
short _RTC_Check_4_to_2(int), _RTC_Check_8_to_2(long long);
int _RTC_Check_8_to_4(long long);
typedef int (*error_function)(int, const char *, int, const char *, const char *, ...);
error_function _RTC_SetErrorFunc(error_function);
int _RTC_NumErrors(void);
const char *_RTC_GetErrDesc(int);
static int tell(int type, const char *file, int line, const char *module, const char *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    printf("told %d %s\n", type, __builtin_va_arg(arguments, const char *));
    __builtin_va_end(arguments);
    return 0;
}
int main(void) {
    printf("fits %d %d %d %d %d\n", _RTC_Check_2_to_1(-1), (unsigned char)_RTC_Check_4_to_1(255), _RTC_Check_4_to_2(-2),
        (unsigned short)_RTC_Check_8_to_2(65535), _RTC_Check_8_to_4(5));
    _RTC_SetErrorFunc(tell);
    printf("cut off %d\n", _RTC_Check_8_to_1(300));
    printf("errors %d %d\n", _RTC_NumErrors(), _RTC_GetErrDesc(1) != 0);
    return 0;
}
