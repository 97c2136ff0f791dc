// compilers: mingw
// archives: mingw-runtime
// flags: -O2
// flags: -mcmodel=large
// flags: -O0
// expect: constructed
// expect: a 1
// expect: b 2
// expect: caught boo
// expect: out of range
// expect: matches 1
// expect: thread 6
// expect: main 5
// expect: destroyed
#include <iostream>
#include <map>
#include <regex>
#include <thread>
#include <stdexcept>
#include <vector>
#include <algorithm>
thread_local int tl = 5;
struct G { G(){ std::cout << "constructed\n"; } ~G(){ std::cout << "destroyed\n"; } } g;
int main() {
    std::map<std::string,int> m{{"a",1},{"b",2}};
    for (auto&[k,v]:m) std::cout << k << " " << v << "\n";
    try { throw std::runtime_error("boo"); } catch (std::exception&e) { std::cout << "caught " << e.what() << "\n"; }
    try { std::vector<int>().at(3); } catch (std::out_of_range&e) { std::cout << "out of range\n"; }
    std::cout << "matches " << std::regex_match("abc", std::regex("a.c")) << "\n";
    std::thread t([]{ tl++; std::cout << "thread " << tl << "\n"; }); t.join();
    std::cout << "main " << tl << "\n";
}
