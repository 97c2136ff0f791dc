// compilers: msvc
// flags: -O0
// flags: -O2
// expect: down 1 cross 1 wrong 0
// expect: virtual 42 from 2 bases
// expect: struct Derived
// expect: bad cast
// expect: same type
#include "crt.h"
// Of vcruntime140.dll; type_info's layout is part of the ABI.
class type_info {
public:
    virtual ~type_info();
    bool operator==(const type_info &other) const { return __std_type_info_compare(&data, &other.data) == 0; }
    const char *name() const { return __std_type_info_name(&data, &list); }
private:
    struct Data { const char *undecorated; char decorated[1]; };
    struct alignas(16) List { void *head; };
    static List list;
    friend int main();
    Data data;
    static int __std_type_info_compare(const Data *, const Data *) __asm__("__std_type_info_compare");
    static const char *__std_type_info_name(const Data *, List *) __asm__("__std_type_info_name");
};
type_info::List type_info::list;
namespace std { using ::type_info; }
struct Root { int value = 42; virtual ~Root() {} virtual int bases() = 0; };
struct Left : virtual Root { int left = 1; int bases() override { return 1; } };
struct Right : virtual Root { int right = 2; };
struct Derived : Left, Right { int bases() override { return 2; } };
struct Other { virtual ~Other() {} };
__attribute__((noinline)) Root *make() { static Derived derived; return &derived; }
int main() {
    Root *root = make();
    Left *left = dynamic_cast<Left *>(root);
    printf("down %d cross %d wrong %d\n", left != 0, dynamic_cast<Right *>(left) != 0, dynamic_cast<Other *>(root) != 0);
    printf("virtual %d from %d bases\n", root->value, root->bases());
    puts(typeid(*root).name());
    try { (void)dynamic_cast<Other &>(*root); } catch (...) { puts("bad cast"); }
    puts(typeid(*root) == typeid(Derived) ? "same type" : "different types");
}
