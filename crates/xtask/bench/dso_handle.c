// What crtbeginS.o defines in a shared library that the compiler driver links.
__attribute__((visibility("hidden"))) void *__dso_handle = &__dso_handle;
