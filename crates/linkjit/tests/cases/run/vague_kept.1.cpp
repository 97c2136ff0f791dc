// flags: -fPIC -DLIBRARY
#include "vague_kept.h"
extern "C" int *library_hidden() { return &hidden_value; }
extern "C" int *library_program_hides() { return &program_hides; }
extern "C" int library_default() { return 5; }
extern "C" __attribute__((weak)) int default_answer() { return 2; }
