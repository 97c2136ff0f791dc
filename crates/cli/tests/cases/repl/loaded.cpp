#!/usr/bin/env -S linkjit repl
int loaded = 7;
