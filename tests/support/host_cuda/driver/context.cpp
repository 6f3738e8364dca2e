// The one device, its primary context, and what is current in which thread.
#include "state.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace host_cuda {

std::mutex everything;

namespace {

constexpr int kDriverVersion = 12060;  // that of JetPack 6
constexpr char kName[] = "CUDA in host memory";  // watch.py knows it too

int primary;  // only its address counts
int retained = 0;
std::string faults;
thread_local std::vector<CUcontext> current;

CUcontext primary_context() { return reinterpret_cast<CUcontext>(&primary); }

}  // namespace

CUresult check_context() {
    if (current.empty() || current.back() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    return retained > 0 ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

void add_fault(const std::string &text) { faults += text + "\n"; }

}  // namespace host_cuda

using namespace host_cuda;

// ---- what tests ask of this driver, beyond CUDA's interface

extern "C" const char *host_cuda_faults() {
    static thread_local std::string copy;
    const std::lock_guard<std::mutex> locked(everything);
    copy = std::exchange(faults, {});
    return copy.c_str();
}

extern "C" size_t host_cuda_alive() {
    const std::lock_guard<std::mutex> locked(everything);
    return device_blocks() + pinned_blocks() + live_streams() + live_events() + live_graphs();
}

// ---- the device

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }

CUresult cuDriverGetVersion(int *version) {
    *version = kDriverVersion;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
    *count = 1;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    *device = 0;
    return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int bytes, CUdevice) {
    std::snprintf(name, static_cast<size_t>(bytes), "%s", kName);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
    // A Jetson Orin's, as far as it is asked.
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 8; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 7; break;
        case CU_DEVICE_ATTRIBUTE_INTEGRATED:
        case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: *value = 1; break;
        default: *value = 0;
    }
    return CUDA_SUCCESS;
}

// ---- contexts

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
    return without_context([&] {
        ++retained;
        *context = primary_context();
        return CUDA_SUCCESS;
    });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice) {
    return without_context([&] {
        if (retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
        --retained;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxPushCurrent(CUcontext context) {
    current.push_back(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *context) {
    if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = current.back();
    current.pop_back();
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
    *context = current.empty() ? nullptr : current.back();
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
    if (!current.empty()) current.pop_back();
    if (context != nullptr) current.push_back(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device) {
    return with_context([&] {
        *device = 0;
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxGetApiVersion(CUcontext, unsigned *version) {
    *version = 3020;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
    return with_context([&] {
        const CUresult status = check_no_capture_anywhere();
        if (status == CUDA_SUCCESS) wait_for_all_streams();
        return status;
    });
}

// ---- errors

CUresult cuGetErrorName(CUresult status, const char **name) {
    // Those that this driver returns.
    switch (status) {
        case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
        case CUDA_ERROR_INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
        case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case CUDA_ERROR_INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
        case CUDA_ERROR_INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
        case CUDA_ERROR_INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
        case CUDA_ERROR_INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
        case CUDA_ERROR_CONTEXT_IS_DESTROYED: *name = "CUDA_ERROR_CONTEXT_IS_DESTROYED"; break;
        case CUDA_ERROR_NOT_SUPPORTED: *name = "CUDA_ERROR_NOT_SUPPORTED"; break;
        default: *name = "another CUDA error"; break;
    }
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult status, const char **text) { return cuGetErrorName(status, text); }
