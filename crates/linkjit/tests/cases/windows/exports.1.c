int others(void) { return 4; }
