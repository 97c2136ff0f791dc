// Streams, exceptions and type information of the C++ library, referred to without a table.
// flags: -O0 -fno-pic
// flags: -O2 -fno-pic
// flags: -O2 -fno-pie -mcmodel=small
// flags: -O0 -fPIE
// flags: -O2 -fPIE
// flags: -O2 -fPIC
#include <iomanip>
#include <iostream>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <typeinfo>

struct Base { virtual ~Base() {} };
struct Derived : Base { int value = 5; };
struct Left : virtual Base {};
struct Right : virtual Base {};
struct Both : Left, Right {};
struct Problem : std::runtime_error { using runtime_error::runtime_error; };

std::ostream &other_stream();
void other_throw(int what);
const std::type_info &other_type();

int main() {
    std::cout << "text " << 3.5 << std::endl;
    std::cerr << "on standard error\n";
    std::cout << (&other_stream() == &std::cout) << (std::cin.tie() == &std::cout) << (std::cerr.tie() == &std::cout)
              << '\n';

    Base *derived = new Derived, *both = new Both;
    std::cout << dynamic_cast<Derived *>(derived)->value << (dynamic_cast<Right *>(both) != nullptr)
              << (dynamic_cast<Derived *>(both) == nullptr) << (typeid(*derived) == typeid(Derived))
              << (other_type() == typeid(std::out_of_range)) << '\n';
    try { throw Problem("thrown here"); } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
    try { (void)std::string("abc").at(10); } catch (const std::out_of_range &) { std::cout << "thrown by the library\n"; }
    for (int what = 0; what < 3; what++) {
        try { other_throw(what); }
        catch (int number) { std::cout << number << '\n'; }
        catch (const std::out_of_range &e) { std::cout << e.what() << '\n'; }
        catch (const std::bad_cast &e) { std::cout << (typeid(e) == typeid(std::bad_cast)) << '\n'; }
    }

    std::ostringstream text;
    text << std::setw(5) << 7 << std::hex << 255 << std::string(3, 'x');
    std::cout << text.str() << '\n';
    std::locale locale = std::locale::classic();
    std::cout << std::use_facet<std::ctype<char>>(locale).toupper('x') << std::has_facet<std::num_put<char>>(locale)
              << '\n';
    int words = std::ios_base::xalloc();
    for (int i = 0; i < 20; i++) std::cout.iword(words + i) = i;
    std::cout << std::cout.iword(words + 15) << '\n';
    std::streambuf *old = std::cout.rdbuf(text.rdbuf());
    other_stream() << "redirected";
    std::cout.rdbuf(old);
    std::cout << text.str() << '\n';
    std::string word;
    std::cin.tie(nullptr);
    std::cout << bool(std::cin >> word) << std::cin.eof() << '\n';
}
