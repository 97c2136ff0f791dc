struct Base { virtual ~Base() {} virtual int f() { return 1; } };
struct Derived : Base { int f() override; };
int Derived::f() { return 2; }
template <class T> T twice(T t) { if (t == T()) throw t; return t + t; }
inline int shared = twice(2); thread_local int counter = shared;
int g(Base &b) { try { return twice(b.f()); } catch (int n) { return n; } }
int main() { static Derived d; return g(d) + counter; }
