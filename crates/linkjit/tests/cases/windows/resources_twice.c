// compilers: msvc mingw
// error: resources_twice.2.rc.obj: resources, which
// error: resources_twice.1.rc.obj has, too: compile them together
// An image has one directory of resources.
int main(void) { return 0; }
