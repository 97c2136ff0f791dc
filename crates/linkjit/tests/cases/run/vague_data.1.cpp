#include "vague_data.h"
Places other() { return places(); }
