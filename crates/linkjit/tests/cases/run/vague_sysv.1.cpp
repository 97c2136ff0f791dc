#include "vague_data.1.cpp"
