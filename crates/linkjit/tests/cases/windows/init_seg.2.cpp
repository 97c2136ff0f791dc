#include "crt.h"
#include "init_seg.h"
#pragma init_seg(lib)
Say lib("lib of 2", true);
