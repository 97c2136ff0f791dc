// An inline variable that is initialized when the program starts.
#pragma once
int start();
inline int counter = start();
