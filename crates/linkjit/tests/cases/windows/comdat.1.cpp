#include "crt.h"
#include "comdat.h"
const void *other_function() { return (const void *)shared_function; }
const int *other_variable() { return &shared_variable; }
Shape *other_shape() { static Shape shape; return &shape; }
int other_guarded() { return guarded(); }
