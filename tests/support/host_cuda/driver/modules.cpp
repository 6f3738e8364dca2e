// Modules of kernels. An image is a shared library for this CPU, as ../kernels.py makes it.
#include "state.hpp"

#include "host_kernel.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

namespace host_cuda {

namespace {

struct Module {
    void *library;
};

std::map<CUmodule, std::unique_ptr<Module>> made;

// An ELF file says itself how long it is: its table of sections is last.
size_t length_of(const void *image) {
    Elf64_Ehdr header;
    std::memcpy(&header, image, sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return 0;
    return header.e_shoff + size_t{header.e_shnum} * header.e_shentsize;
}

// From a file of its own, which needs no name once it is open: libraries of one name would be taken for one.
void *open_library(const void *image, size_t bytes) {
    std::string path = std::filesystem::temp_directory_path() / "host-cuda-XXXXXX";
    const int file = mkstemp(path.data());
    if (file < 0) return nullptr;
    const bool whole = write(file, image, bytes) == static_cast<ssize_t>(bytes);
    close(file);
    void *library = whole ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
    unlink(path.c_str());
    return library;
}

// Arguments side by side in one buffer, as pycuda's prepared calls pass them.
const char *packed_arguments(void **extra) {
    for (; extra != nullptr && *extra != CU_LAUNCH_PARAM_END; extra += 2)
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) return static_cast<const char *>(extra[1]);
    return nullptr;
}

}  // namespace

}  // namespace host_cuda

using namespace host_cuda;

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    return with_context([&] {
        const size_t bytes = length_of(image);
        void *library = bytes == 0 ? nullptr : open_library(image, bytes);
        if (library == nullptr) return CUDA_ERROR_INVALID_IMAGE;
        auto loaded = std::make_unique<Module>(Module{library});
        *module = reinterpret_cast<CUmodule>(loaded.get());
        made[*module] = std::move(loaded);
        return CUDA_SUCCESS;
    });
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, CUjit_option *, void **) {
    return cuModuleLoadData(module, image);
}

CUresult cuModuleUnload(CUmodule module) {
    // The library stays loaded: its work may not be done yet.
    return with_context([&] { return made.erase(module) == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    return with_context([&] {
        const auto found = made.find(module);
        if (found == made.end()) return CUDA_ERROR_INVALID_HANDLE;
        void *symbol = dlsym(found->second->library, (std::string(name) + "_on_host").c_str());
        *function = reinterpret_cast<CUfunction>(symbol);
        return symbol == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
    });
}

// pycuda still makes this call before each launch, which says the same again.
CUresult cuFuncSetBlockShape(CUfunction function, int, int, int) {
    return with_context([&] { return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS; });
}

CUresult cuLaunchKernel(
    CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
    unsigned block_z, unsigned, CUstream stream, void **arguments, void **extra) {
    return with_context([&] {
        const char *packed = arguments == nullptr ? packed_arguments(extra) : nullptr;
        if (function == nullptr || (arguments == nullptr && packed == nullptr)) return CUDA_ERROR_INVALID_VALUE;
        // The arguments are read here, as by CUDA: the caller's may be gone when the kernel runs.
        const HostLaunch launch = reinterpret_cast<HostKernel>(function)(arguments, packed);
        const dim3 grid = {grid_x, grid_y, grid_z}, block = {block_x, block_y, block_z};
        const auto work = [launch, grid, block] {
            for (const void *address : launch.pointers) {
                if (!is_reachable(reinterpret_cast<CUdeviceptr>(address))) {
                    add_fault("a kernel was given an address that is not on the device, or no more");
                    return;
                }
            }
            launch.run(grid, block);
        };
        return enqueue(stream, {work, launch.pointers});
    });
}
