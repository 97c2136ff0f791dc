#include "vague_functions.h"
Identity other() { return identity(); }
