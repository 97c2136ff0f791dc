// What MSVC's headers declare, as far as the cases use it: there are no such headers here.
#pragma once
#ifdef __cplusplus
extern "C" {
#endif
typedef unsigned long long size_t_;
int puts(const char *);
int putchar(int);
void abort(void);
void exit(int);
int atexit(void (*)(void));
void *malloc(size_t_);
void free(void *);
void *memcpy(void *, const void *, size_t_);
void *memset(void *, int, size_t_);
int strcmp(const char *, const char *);
void qsort(void *, size_t_, size_t_, int (*)(const void *, const void *));
void *__acrt_iob_func(unsigned);
int __stdio_common_vfprintf(unsigned long long, void *, const char *, void *, __builtin_va_list);
// As in MSVC's stdio.h, printf is no export of the runtime but an inline function.
static inline int printf(const char *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    int result = __stdio_common_vfprintf(0, __acrt_iob_func(1), format, 0, arguments);
    __builtin_va_end(arguments);
    return result;
}
__declspec(dllimport) void *CreateThread(void *, size_t_, unsigned long (*)(void *), void *, unsigned long, unsigned long *);
__declspec(dllimport) unsigned long WaitForSingleObject(void *, unsigned long);
__declspec(dllimport) int CloseHandle(void *);
__declspec(dllimport) void RaiseException(unsigned long, unsigned long, unsigned long, const void *);
__declspec(dllimport) unsigned long GetCurrentThreadId(void);
__declspec(dllimport) void *GetModuleHandleA(const char *);
__declspec(dllimport) void *GetProcAddress(void *, const char *);
static inline void run_thread(unsigned long (*body)(void *), void *argument) {
    void *thread = CreateThread(0, 0, body, argument, 0, 0);
    WaitForSingleObject(thread, 0xffffffff);
    CloseHandle(thread);
}
#ifdef __cplusplus
}
inline void *operator new(size_t_, void *at) noexcept { return at; }
#endif
