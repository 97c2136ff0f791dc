// What objects have in common: functions, variables, templates, statics.
inline int f() { return puts("f"); }
inline int total = 0;
inline int counted() { f(); static int count = 0; total++; return ++count; }
template <class T> T sum(T a, T b) { return a + b; }
template <class T> struct Held { static T value; };
template <class T> T Held<T>::value = 5;
struct Shape { virtual int area() { return 3; } };
inline int area(Shape &&shape) { Shape *volatile of = &shape; return of->area(); }
inline const void *address(int kind) {
    static char local[2];
    switch (kind) {
    case 0: return (const void *)f;
    case 1: return &total;
    case 2: return (const void *)sum<int>;
    case 3: return &Held<int>::value;
    default: return local;
    }
}
int other_counted(), other_sum(int, int), other_area();
