#include "crt.h"
#include "init_seg.h"
#pragma warning(disable : 4074)
#pragma init_seg(compiler)
Say compiler("compiler of 1", true);
