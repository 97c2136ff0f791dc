#include "constructor_order.h"
int other() { return counter - 1; }
