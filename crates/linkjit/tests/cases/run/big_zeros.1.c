extern char first[];
char second[700ul << 20];

int sum(void) { return first[5] + second[699ul << 20]; }
