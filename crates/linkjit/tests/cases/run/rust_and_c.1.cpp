#include <cstdio>

namespace {
struct Cleanup {
    ~Cleanup() {
        std::puts("cleanup");
        std::fflush(stdout);
    }
};
void throws(int n) {
    if (n > 2) throw n;
}
} // namespace

extern "C" void call_with(void (*function)(int), int n) {
    Cleanup cleanup;
    function(n);
}
extern "C" int try_catch(void (*function)(int), int n) {
    try {
        function(n);
        throws(5);
    } catch (int caught) {
        return caught;
    }
    return 0;
}
