// flags: -fPIC
#include "vague_data.2.cpp"
