// compilers: msvc
// wheel: nvidia-cuda-runtime-cu12==12.9.79 nvidia/cuda_runtime/lib/x64/cudart_static.lib
// options: -l advapi32 -l user32 -l shell32 -l ole32
// options: --lazy -l advapi32 -l user32 -l shell32 -l ole32
// expect: runtime 0 12090
// expect: driver 0 0
// expect: devices cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version
// expect: memory 35 35
// A library that MSVC made of C++. Without a driver it says so.
#include "crt.h"
int cudaRuntimeGetVersion(int *), cudaDriverGetVersion(int *), cudaGetDeviceCount(int *), cudaGetLastError(void);
int cudaMalloc(void **, unsigned long long);
const char *cudaGetErrorString(int), *cudaGetErrorName(int);
int main(void) {
    int number = -1, error = cudaRuntimeGetVersion(&number);
    printf("runtime %d %d\n", error, number);
    error = cudaDriverGetVersion(&number);
    printf("driver %d %d\n", error, number);
    error = cudaGetDeviceCount(&number);
    printf("devices %s: %s\n", cudaGetErrorName(error), cudaGetErrorString(error));
    void *memory;
    error = cudaMalloc(&memory, 100);
    printf("memory %d %d\n", error, cudaGetLastError());
    return 0;
}
