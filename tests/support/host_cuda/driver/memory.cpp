// Device memory and pinned host memory, both of them malloc's, and copies between them.
#include "state.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

namespace host_cuda {

namespace {

constexpr size_t kDeviceBytes = size_t{256} << 20;
constexpr size_t kAlignment = 512;
// What was never written, and what was freed, must not look like zeros.
constexpr int kUndefined = 0xA5, kFreed = 0x5A;

// The allocations of one kind of memory: sizes by address.
class Blocks {
public:
    void *allocate(size_t bytes) {
        const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        void *memory = std::aligned_alloc(kAlignment, rounded);
        if (memory == nullptr) return nullptr;
        std::memset(memory, kUndefined, rounded);
        sizes_[reinterpret_cast<uintptr_t>(memory)] = bytes;
        used_ += bytes;
        return memory;
    }

    bool free(void *memory, const char *call) {
        const auto found = sizes_.find(reinterpret_cast<uintptr_t>(memory));
        if (found == sizes_.end()) return false;
        check_not_in_flight(memory, found->second, call);
        std::memset(memory, kFreed, found->second);
        std::free(memory);
        used_ -= found->second;
        sizes_.erase(found);
        return true;
    }

    bool holds(uintptr_t address, size_t bytes) const {
        auto after = sizes_.upper_bound(address);
        if (after == sizes_.begin()) return false;
        const auto &[start, size] = *--after;
        return address + bytes <= start + size;
    }

    size_t count() const { return sizes_.size(); }
    size_t used() const { return used_; }

private:
    std::map<uintptr_t, size_t> sizes_;
    size_t used_ = 0;
};

Blocks device, pinned;

void *host(CUdeviceptr address) { return reinterpret_cast<void *>(address); }

Task copy_task(void *target, const void *source, size_t bytes) {
    return {[=] { std::memmove(target, source, bytes); }, {target, source}};
}

Task fill_task(CUdeviceptr target, unsigned char value, size_t bytes) {
    return {[=] { std::memset(host(target), value, bytes); }, {host(target)}};
}

// A copy whose other side is on the host. From memory that is not pinned, CUDA does not return before it was read.
CUresult enqueue_copy(CUstream stream, void *target, const void *source, size_t bytes, const void *on_host) {
    const CUresult status = enqueue(stream, copy_task(target, source, bytes));
    const bool is_pinned = pinned.holds(reinterpret_cast<uintptr_t>(on_host), bytes);
    if (status == CUDA_SUCCESS && !is_pinned) wait_for(now_in(find_stream(stream)));
    return status;
}

}  // namespace

bool is_on_device(CUdeviceptr address, size_t bytes) { return device.holds(address, bytes); }
bool is_reachable(CUdeviceptr address) { return device.holds(address, 1) || pinned.holds(address, 1); }
size_t device_blocks() { return device.count(); }
size_t pinned_blocks() { return pinned.count(); }

}  // namespace host_cuda

using namespace host_cuda;

CUresult cuMemAlloc(CUdeviceptr *address, size_t bytes) {
    return with_context([&] {
        if (const CUresult status = check_no_capture()) return status;
        if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
        if (bytes > kDeviceBytes - device.used()) return CUDA_ERROR_OUT_OF_MEMORY;
        *address = reinterpret_cast<CUdeviceptr>(device.allocate(bytes));
        return *address == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    });
}

CUresult cuMemFree(CUdeviceptr address) {
    return with_context([&] {
        if (const CUresult status = check_no_capture()) return status;
        return device.free(host(address), "cuMemFree") ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemGetInfo(size_t *free, size_t *total) {
    return with_context([&] {
        *free = kDeviceBytes - device.used();
        *total = kDeviceBytes;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    return with_context([&] {
        if (const CUresult status = check_no_capture()) return status;
        *memory = pinned.allocate(bytes);
        return *memory == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    });
}

CUresult cuMemFreeHost(void *memory) {
    return with_context([&] {
        if (const CUresult status = check_no_capture()) return status;
        return pinned.free(memory, "cuMemFreeHost") ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr *address, void *memory, unsigned) {
    return with_context([&] {
        *address = reinterpret_cast<CUdeviceptr>(memory);
        return pinned.holds(*address, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemcpyHtoD(CUdeviceptr target, const void *source, size_t bytes) {
    return with_context([&] {
        if (!is_on_device(target, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return run_in_default_stream(copy_task(host(target), source, bytes));
    });
}

CUresult cuMemcpyDtoH(void *target, CUdeviceptr source, size_t bytes) {
    return with_context([&] {
        if (!is_on_device(source, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return run_in_default_stream(copy_task(target, host(source), bytes));
    });
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr target, const void *source, size_t bytes, CUstream stream) {
    return with_context([&] {
        if (!is_on_device(target, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return enqueue_copy(stream, host(target), source, bytes, source);
    });
}

CUresult cuMemcpyDtoHAsync(void *target, CUdeviceptr source, size_t bytes, CUstream stream) {
    return with_context([&] {
        if (!is_on_device(source, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return enqueue_copy(stream, target, host(source), bytes, target);
    });
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
    return with_context([&] {
        if (!is_on_device(target, bytes) || !is_on_device(source, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return enqueue(stream, copy_task(host(target), host(source), bytes));
    });
}

CUresult cuMemsetD8(CUdeviceptr target, unsigned char value, size_t bytes) {
    return with_context([&] {
        if (!is_on_device(target, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return run_in_default_stream(fill_task(target, value, bytes));
    });
}

CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream stream) {
    return with_context([&] {
        if (!is_on_device(target, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return enqueue(stream, fill_task(target, value, bytes));
    });
}
