#include "crt.h"
struct Named { Named(const char *name) { puts(name); } };
static Named first("first of the last"), last("second of the last");
