// What makes CUDA's source for one kernel a function for this CPU: one thread after the other, so without shared memory
// and without __syncthreads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <vector>

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// A kernel with its arguments.
struct HostLaunch {
    std::function<void(dim3 grid, dim3 block)> run;
    std::vector<const void *> pointers;  // among the arguments
};

// Reads a kernel's arguments: from their addresses, or else from a buffer in which they lie side by side.
using HostKernel = HostLaunch (*)(void **arguments, const char *packed);

#ifdef HOST_CUDA_KERNEL

#define __global__
#define __device__ static

static thread_local dim3 blockIdx, threadIdx, blockDim, gridDim;

template <class Body> void for_each(dim3 size, dim3 &index, Body body) {
    for (index.z = 0; index.z < size.z; ++index.z)
        for (index.y = 0; index.y < size.y; ++index.y)
            for (index.x = 0; index.x < size.x; ++index.x) body();
}

class Reader {
public:
    Reader(void **given, const char *packed) : given_(given), packed_(packed) {}

    template <class Argument> Argument next() {
        if (given_ != nullptr) return *static_cast<Argument *>(*given_++);
        at_ = (at_ + alignof(Argument) - 1) / alignof(Argument) * alignof(Argument);
        Argument argument;
        std::memcpy(&argument, packed_ + at_, sizeof argument);
        at_ += sizeof argument;
        return argument;
    }

private:
    void **given_;
    const char *packed_;
    size_t at_ = 0;
};

template <class... Argument, size_t... Position>
HostLaunch bind_kernel(void (*kernel)(Argument...), Reader given, std::index_sequence<Position...>) {
    // In braces, so that they are read in order.
    const std::tuple<Argument...> arguments{given.next<Argument>()...};
    HostLaunch launch;
    const auto note = [&](auto argument) {
        if constexpr (std::is_pointer_v<decltype(argument)>) launch.pointers.push_back(argument);
    };
    (note(std::get<Position>(arguments)), ...);
    launch.run = [kernel, arguments](dim3 grid, dim3 block) {
        gridDim = grid;
        blockDim = block;
        for_each(grid, blockIdx, [&] { for_each(block, threadIdx, [&] { std::apply(kernel, arguments); }); });
    };
    return launch;
}

template <class... Argument> HostLaunch bind_kernel(void (*kernel)(Argument...), Reader given) {
    return bind_kernel(kernel, given, std::index_sequence_for<Argument...>{});
}

#define HOST_KERNEL(name) \
    extern "C" __attribute__((visibility("default"))) HostLaunch name##_on_host(void **given, const char *packed) { \
        return bind_kernel(name, Reader(given, packed)); \
    }

#endif
