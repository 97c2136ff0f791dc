// flags: -fPIC
#include "vague_data.h"
extern "C" Places library_places() { return places(); }
