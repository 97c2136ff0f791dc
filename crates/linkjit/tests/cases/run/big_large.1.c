extern char huge[];
extern int small;

int get(unsigned long index) { return huge[index] + small; }
