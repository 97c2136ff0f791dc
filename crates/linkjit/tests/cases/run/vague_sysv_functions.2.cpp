// flags: -fPIC
#include "vague_functions.2.cpp"
