const char *overridden(void) { return "strong"; }
int overridden_value = 2;
int somewhere(void) { return 44; }
__attribute__((visibility("hidden"))) int hidden(void) { return 55; }
__attribute__((visibility("protected"))) int protected_function(void) { return 66; }
int weakly_aliased(void) { return 77; }
