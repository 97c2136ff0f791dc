int twice(int n) { return n << 1; }
