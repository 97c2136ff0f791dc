// With --lazy, what is here is linked when the image is where it is.
extern "C" {
extern char out[] __asm__("?cout@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A");
extern char in[] __asm__("?cin@std@@3V?$basic_istream@DU?$char_traits@D@std@@@1@A");
__declspec(dllimport) void *GetModuleHandleA(const char *);
__declspec(dllimport) void *GetProcAddress(void *, const char *);
int later(void) {
    void *dll = GetModuleHandleA("msvcp140.dll");
    return in == GetProcAddress(dll, "?cin@std@@3V?$basic_istream@DU?$char_traits@D@std@@@1@A");
}
char *far_behind(void) { return out + 24; }
}
