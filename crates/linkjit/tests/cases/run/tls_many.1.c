_Thread_local char c1 = 'a';
_Thread_local _Alignas(128) long wide = 100;
static const char word[] = "word";
_Thread_local const char *text = word;
_Thread_local char c2 = 'z';
static _Thread_local int count;
int check(void) { return ++count; }
