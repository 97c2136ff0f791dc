// What a program and its plugin share.
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

struct Plugin {
    virtual ~Plugin();
    virtual int run(int);
    std::string name;
};

struct HostError : std::runtime_error {
    using runtime_error::runtime_error;
    ~HostError() override;
};

using Registry = std::map<std::string, std::function<Plugin *()>>;
Registry &registry();
extern int counter;

inline int &shared() {
    static int value = 5;
    return value;
}
