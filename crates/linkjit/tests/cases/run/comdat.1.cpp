inline int counter() {
    static int count = 0;
    return ++count;
}
inline int shared_variable = 5;
template <class T> struct Registry {
    static T value;
    static int next() { return static_cast<int>(++value); }
};
template <class T> T Registry<T>::value = 100;
struct Interface {
    virtual int id() const { return 1; }
    virtual ~Interface() = default;
};
struct Implementation : Interface {
    int id() const override { return 2; }
};
int *address_of_variable() { return &shared_variable; }
int counter_of_other() { return counter(); }
int registry_of_other() { return Registry<long>::next(); }
int (*function_of_other())() { return counter; }
Interface *make_interface() { return new Implementation; }
