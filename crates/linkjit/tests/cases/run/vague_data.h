// Included by vague_data*.cpp.
#include <cstdio>

struct Noisy {
    static inline int made = 0;
    int id;
    explicit Noisy(int id) : id(id + 10 * made++) {}
    ~Noisy() { std::printf("gone %d\n", id); }
};
template <class T> struct Table {
    static int value;
    static Noisy noisy;
};
template <class T> int Table<T>::value = 1;
template <class T> Noisy Table<T>::noisy(3);
template <class T> T &counter() {
    static T count = 10;
    return count;
}
inline Noisy &local_noisy() {
    static Noisy local(4);
    return local;
}
inline int plain = 5;
inline Noisy named(6);
namespace space {
inline Noisy inner(7);
inline const char *const text = "text";
} // namespace space

struct Places {
    static constexpr int count = 8;
    void *at[count];
};
static Places places() {
    return {{&Table<int>::value, &Table<char>::noisy, &counter<long>(), &local_noisy(), &plain, &named, &space::inner,
             const_cast<const char **>(&space::text)}};
}
