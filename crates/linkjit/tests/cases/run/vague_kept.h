// Included by vague_kept*.cpp.
#ifndef LIBRARY
__attribute__((visibility("hidden"))) inline int program_hides = 2;
#else
inline int program_hides = 2;
#endif
__attribute__((visibility("hidden"))) inline int hidden_value = 1;
