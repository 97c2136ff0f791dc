inline int shared_function() { return 1; }
inline int shared_variable = 2;
template <class T> __attribute__((noinline)) T add(T a, T b) { return a + b; }
__declspec(selectany) int any = 4;
inline int guarded() { static int calls = 0; static int first = ++calls; return first; }
struct Shape { virtual ~Shape() {} virtual int area() { return 6; } };
struct Square : Shape { int area() override { return 8; } };
