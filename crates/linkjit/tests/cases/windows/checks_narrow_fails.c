// compilers: msvc
// error: run-time check: a conversion to a smaller type lost data
short _RTC_Check_8_to_2(long long);
int main(int count, char **arguments) { return _RTC_Check_8_to_2(0x10000 + count); }
