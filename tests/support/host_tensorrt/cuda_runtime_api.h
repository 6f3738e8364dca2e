// Stands in for the CUDA functions that examples/cpp calls, on the host's memory.
#pragma once

#include <cstdlib>
#include <cstring>

using cudaStream_t = struct Stream*;
enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };

inline const cudaStream_t cudaStreamPerThread = reinterpret_cast<cudaStream_t>(2);

inline const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }

// What was in this memory before is unknown, and not zero.
inline cudaError_t cudaMalloc(void** address, std::size_t bytes) {
    *address = std::malloc(bytes);
    if (*address == nullptr) return cudaErrorMemoryAllocation;
    std::memset(*address, 0x55, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaFree(void* address) {
    std::free(address);
    return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t) {
    std::memset(address, value, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
