// Code for Windows: structured exceptions, COMDAT groups with leaders, virtual tables that are aliases.
extern "C" int printf(const char *, ...);
extern "C" void raise(int);

struct Base {
    virtual ~Base();
    virtual int f() { return 3; }
};
Base::~Base() { printf("~Base\n"); }
struct Derived : Base {
    int f() override { return 4; }
};
static int filter(int code) { return code == 8; }
int filtered(int x) {
    int local = x;
    __try {
        local++;
        raise(1);
    } __except (filter(local)) {
        return local + 100;
    }
    return local;
}
int ended(int x) {
    int local = x;
    __try {
        local += 2;
        raise(2);
    } __finally {
        local *= 2;
    }
    return local;
}
int simple(int x) { return x; }
inline int counter() { static int count = 4; return ++count; }
template <class T> struct Holder { static inline T value = 5; };
thread_local int of_thread = 9;
static int thrower(int x) {
    Base base;
    if (x > 2) throw x;
    return 1;
}
int main() {
    Derived derived;
    Base *base = &derived;
    try {
        thrower(5);
    } catch (int number) {
        printf("caught %d\n", number);
    }
    return base->f() + filtered(7) + ended(3) + simple(1) + counter() + Holder<int>::value + of_thread;
}
