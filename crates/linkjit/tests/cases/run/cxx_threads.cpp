// The thread library: threads, mutexes, condition variables, call_once, futures, atomics, exceptions across threads.
// flags: -O0 -fPIC
// flags: -O2 -fPIE
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

static std::once_flag once;
static int initialized;

int main() {
    std::vector<std::thread> threads;
    std::atomic<int> total{0};
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&, i] {
            std::call_once(once, [] { initialized++; });
            total += i;
        });
    for (auto &thread : threads) thread.join();
    std::printf("%d %d\n", total.load(), initialized);
    try {
        std::once_flag failing;
        std::call_once(failing, [] { throw std::runtime_error("once"); });
    } catch (const std::runtime_error &e) {
        std::printf("call_once threw %s\n", e.what());
    }
    auto sum = std::async(std::launch::async, [] {
        std::vector<int> numbers(1000);
        std::iota(numbers.begin(), numbers.end(), 0);
        return std::accumulate(numbers.begin(), numbers.end(), 0);
    });
    auto failure = std::async(std::launch::async, []() -> int { throw std::out_of_range("in a thread"); });
    auto deferred = std::async(std::launch::deferred, [] { return 7; });
    std::printf("%d %d\n", sum.get(), deferred.get());
    try {
        failure.get();
    } catch (const std::out_of_range &e) {
        std::printf("future: %s\n", e.what());
    }
    std::packaged_task<int(int)> task([](int n) { return n * 2; });
    auto result = task.get_future();
    std::thread(std::move(task), 21).join();
    std::printf("%d\n", result.get());
    std::mutex mutex;
    std::condition_variable condition;
    bool ready = false;
    std::thread waiter([&] {
        std::unique_lock lock(mutex);
        condition.wait(lock, [&] { return ready; });
        std::puts("woken");
    });
    {
        std::lock_guard lock(mutex);
        ready = true;
    }
    condition.notify_all();
    waiter.join();
    std::shared_mutex shared;
    std::shared_lock reader(shared);
    std::printf("%d\n", shared.try_lock());
}
