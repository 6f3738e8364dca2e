// The table of this driver's calls, by which cuda-bindings finds them.
#include "state.hpp"

#include <cstring>

#include <cuda.h>
#include <cudaProfiler.h>

namespace {

struct EntryPoint {
    const char *name;
    void *call;
};

// The macros of cuda.h make the call's newest version of its name.
#define CALL(name) EntryPoint{#name, reinterpret_cast<void *>(name)}

const EntryPoint kEntryPoints[] = {
    CALL(cuInit), CALL(cuDriverGetVersion), CALL(cuGetErrorName), CALL(cuGetErrorString),
    CALL(cuDeviceGetCount), CALL(cuDeviceGet), CALL(cuDeviceGetName), CALL(cuDeviceGetAttribute),
    CALL(cuDevicePrimaryCtxRetain), CALL(cuDevicePrimaryCtxRelease),
    CALL(cuCtxPushCurrent), CALL(cuCtxPopCurrent), CALL(cuCtxGetCurrent), CALL(cuCtxSetCurrent),
    CALL(cuCtxGetDevice), CALL(cuCtxSynchronize), CALL(cuCtxGetApiVersion),
    CALL(cuMemAlloc), CALL(cuMemFree), CALL(cuMemGetInfo), CALL(cuMemHostAlloc), CALL(cuMemFreeHost),
    CALL(cuMemHostGetDevicePointer),
    CALL(cuMemcpyHtoD), CALL(cuMemcpyDtoH), CALL(cuMemcpyHtoDAsync), CALL(cuMemcpyDtoHAsync), CALL(cuMemcpyDtoDAsync),
    CALL(cuMemsetD8), CALL(cuMemsetD8Async),
    CALL(cuStreamCreate), CALL(cuStreamDestroy), CALL(cuStreamSynchronize), CALL(cuStreamQuery),
    CALL(cuStreamWaitEvent), CALL(cuStreamBeginCapture), CALL(cuStreamEndCapture), CALL(cuStreamIsCapturing),
    CALL(cuEventCreate), CALL(cuEventDestroy), CALL(cuEventRecord), CALL(cuEventSynchronize), CALL(cuEventQuery),
    CALL(cuEventElapsedTime),
    CALL(cuGraphInstantiate), CALL(cuGraphInstantiateWithFlags), CALL(cuGraphLaunch), CALL(cuGraphDestroy),
    CALL(cuGraphExecDestroy),
    CALL(cuModuleLoadData), CALL(cuModuleLoadDataEx), CALL(cuModuleUnload), CALL(cuModuleGetFunction),
    CALL(cuLaunchKernel),
};

}  // namespace

CUresult cuGetProcAddress(
    const char *name, void **call, int version, cuuint64_t, CUdriverProcAddressQueryResult *status) {
    int newest = 0;
    cuDriverGetVersion(&newest);
    *call = nullptr;
    if (version > newest) {
        if (status != nullptr) *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        return CUDA_ERROR_NOT_FOUND;
    }
    for (const EntryPoint &entry : kEntryPoints) {
        if (std::strcmp(entry.name, name) == 0) *call = entry.call;
    }
    const bool found = *call != nullptr;
    if (status != nullptr) *status = found ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
