// compilers: msvc
// flags: -O0
// flags: -O2
// expect: plain 1 array 2
// expect: aligned 0 0
// expect: nothrow 1 1
// expect: too much: null null
// expect: bad_alloc
// expect: bad_alloc of an array
// expect: bad_alloc, aligned
// expect: null is deleted
#include "crt.h"
namespace std {
struct nothrow_t { explicit nothrow_t() = default; };
extern const nothrow_t nothrow;
enum class align_val_t : size_t_ {};
class exception { public: virtual ~exception() {} void *data[2]; };
class bad_alloc : public exception {};
}
void *operator new(size_t_, const std::nothrow_t &) noexcept;
void *operator new[](size_t_, const std::nothrow_t &) noexcept;
void *operator new(size_t_, std::align_val_t);
void *operator new[](size_t_, std::align_val_t);
void *operator new(size_t_, std::align_val_t, const std::nothrow_t &) noexcept;
void operator delete(void *, const std::nothrow_t &) noexcept;
void operator delete[](void *, const std::nothrow_t &) noexcept;
void operator delete(void *, std::align_val_t) noexcept;
void operator delete(void *, size_t_, std::align_val_t) noexcept;
void operator delete[](void *, std::align_val_t) noexcept;
void operator delete(void *, std::align_val_t, const std::nothrow_t &) noexcept;
static volatile size_t_ too_much = ~0ull >> 2;
static int rest(void *pointer, size_t_ align) { return (int)((size_t_)pointer % align); }
template <class F> static void expect_bad_alloc(F allocate, const char *what) {
    try { allocate(); puts("nothing thrown"); } catch (const std::bad_alloc &) { puts(what); }
}
int main() {
    int *one = (int *)operator new(sizeof(int));
    int *two = (int *)operator new[](8);
    *one = 1;
    two[1] = 2;
    printf("plain %d array %d\n", *one, two[1]);
    operator delete(one);
    operator delete[](two, (size_t_)8);
    void *aligned = operator new(100, std::align_val_t(256)), *more = operator new[](100, std::align_val_t(4096));
    printf("aligned %d %d\n", rest(aligned, 256), rest(more, 4096));
    operator delete(aligned, 100, std::align_val_t(256));
    operator delete[](more, std::align_val_t(4096));
    void *a = operator new(0, std::nothrow), *b = operator new[](8, std::nothrow);
    printf("nothrow %d %d\n", a != 0, b != 0);
    operator delete(a, std::nothrow);
    operator delete[](b, std::nothrow);
    void *none = operator new(too_much, std::nothrow), *aligned_none = operator new(too_much, std::align_val_t(64), std::nothrow);
    printf("too much: %s %s\n", none ? "something" : "null", aligned_none ? "something" : "null");
    expect_bad_alloc([] { operator new(too_much); }, "bad_alloc");
    expect_bad_alloc([] { operator new[](too_much); }, "bad_alloc of an array");
    expect_bad_alloc([] { operator new(too_much, std::align_val_t(64)); }, "bad_alloc, aligned");
    operator delete((void *)nullptr);
    operator delete(nullptr, std::align_val_t(64));
    puts("null is deleted");
}
