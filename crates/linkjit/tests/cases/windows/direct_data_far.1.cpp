extern "C" {
extern void *out __asm__("?cout@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A");
int later(void) { return out != nullptr; }
}
