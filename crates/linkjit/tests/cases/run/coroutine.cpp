// Coroutines, lambdas, fold expressions, concepts, constexpr tables.
// flags: -O0 -fPIC -std=c++20
// flags: -O3 -fPIE -std=c++20
#include <array>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <memory>

struct Numbers {
    struct promise_type {
        int current = 0;
        Numbers get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int value) {
            current = value;
            return {};
        }
        void return_void() {}
        void unhandled_exception() { throw; }
    };
    std::coroutine_handle<promise_type> handle;
    ~Numbers() { handle.destroy(); }
    bool next() {
        handle.resume();
        return !handle.done();
    }
};
static Numbers squares(int limit) {
    for (int n = 0; n < limit; n++) co_yield n *n;
    throw limit;
}
template <class... T> static auto sum(T... values) { return (values + ...); }
constexpr auto table = [] {
    std::array<int, 10> cubes{};
    for (int i = 0; i < 10; i++) cubes[i] = i * i * i;
    return cubes;
}();

int main() {
    auto numbers = squares(4);
    try {
        while (numbers.next()) std::printf("%d\n", numbers.handle.promise().current);
    } catch (int limit) {
        std::printf("thrown %d\n", limit);
    }
    volatile int index = 9;
    std::printf("%g %d\n", sum(1, 2.5, 3L), table[index]);
}
