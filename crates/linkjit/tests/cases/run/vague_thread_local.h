// Included by vague_thread_local*.cpp.
inline thread_local int number = 40;
template <class T> struct Slot {
    static thread_local T value;
};
template <class T> thread_local T Slot<T>::value = 7;
inline int &local() {
    static thread_local int local = 3;
    return local;
}
