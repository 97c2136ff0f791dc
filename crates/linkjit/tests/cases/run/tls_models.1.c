extern _Thread_local int exported;
_Thread_local int other_exported = 1000;
_Thread_local char other_text[20] = "text of the other";
static _Thread_local int counter = 5;

int *address_of_exported(void) { return &exported; }
int bump_other(void) { return ++counter; }
