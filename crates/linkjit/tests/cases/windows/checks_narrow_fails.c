// compilers: msvc
// error: run-time check: a value was cut off when it was converted to a smaller type
short _RTC_Check_8_to_2(long long);
int main(int count, char **arguments) { return _RTC_Check_8_to_2(0x10000 + count); }
