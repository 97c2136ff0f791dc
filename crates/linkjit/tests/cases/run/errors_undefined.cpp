// All that is missing is listed at once, in source form, with who wants it.
// error: undefined symbol: missing_function(int) (_Z16missing_functioni)
// error: undefined symbol: missing_variable
// error: errors_undefined.cpp.o
// error: searched JITDylib 'main'
// compilers: gcc
// flags: -O1 -fPIC
int missing_function(int);
extern "C" int missing_variable;
int main() { return missing_function(missing_variable); }
