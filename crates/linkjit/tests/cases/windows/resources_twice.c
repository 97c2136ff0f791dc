// compilers: msvc mingw
// error: resources_twice.2.rc.obj: the object has resources, but
// error: resources_twice.1.rc.obj has some already: compile them together
// An image has one directory of resources.
int main(void) { return 0; }
