#include "vague_functions.1.cpp"
