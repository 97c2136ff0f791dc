int tentative[100] = {41, [99] = 42};
char aligned_tentative[3];
int other_value = 17;
int *const pointer_to_other = &other_value;
_Alignas(8192) char other_page[8192] = "other page";
static const char text[] = "text";
const char *text_of_other(void) { return text; }
