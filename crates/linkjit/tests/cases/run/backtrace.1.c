int callback(int (*function)(int), int n) { return function(n) + 0 * n; }
