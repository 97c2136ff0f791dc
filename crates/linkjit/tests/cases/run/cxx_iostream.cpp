// flags: -O0 -fPIC
// flags: -O2 -fPIC -g
// flags: -O3 -fPIC -ffunction-sections -fdata-sections
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

int main() {
    std::map<std::string, std::vector<int>> numbers;
    for (int i = 0; i < 20; i++) numbers["key" + std::to_string(i % 3)].push_back(i * i);
    for (const auto &[key, values] : numbers) {
        std::cout << key << ':';
        for (int value : values) std::cout << ' ' << std::setw(4) << std::hex << value;
        std::cout << std::dec << std::endl;
    }
    std::istringstream in("3.25 words here");
    double d;
    std::string word;
    in >> d >> word;
    std::cout << d << ' ' << word << ' ' << std::boolalpha << static_cast<bool>(in) << '\n';
    std::cerr << "to the other stream\n";
}
