// The capture of a stream's work as a graph, and its launch.
#include "state.hpp"

#include <set>

namespace host_cuda {

namespace {

using Tasks = std::vector<Task>;

std::set<const void *> made;

template <class Handle> Handle keep(Tasks *tasks) {
    made.insert(tasks);
    return reinterpret_cast<Handle>(tasks);
}

template <class Handle> Tasks *find(Handle handle) {
    return made.count(handle) == 1 ? reinterpret_cast<Tasks *>(handle) : nullptr;
}

template <class Handle> CUresult destroy(Handle handle) {
    Tasks *tasks = find(handle);
    if (tasks == nullptr) return CUDA_ERROR_INVALID_VALUE;
    made.erase(tasks);
    delete tasks;
    return CUDA_SUCCESS;
}

}  // namespace

size_t live_graphs() { return made.size(); }

}  // namespace host_cuda

using namespace host_cuda;

CUresult cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
    return with_context([&] {
        const auto stream = find_stream(handle);
        if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        if (stream == find_stream(CU_STREAM_LEGACY)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
        stream->capture = std::make_unique<Capture>(Capture{mode, std::this_thread::get_id()});
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
    return with_context([&] {
        *graph = nullptr;
        const auto stream = find_stream(handle);
        if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        if (!stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
        const bool is_mine = stream->capture->thread == std::this_thread::get_id();
        if (!is_mine && stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
            return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
        }
        const std::unique_ptr<Capture> capture = std::move(stream->capture);
        if (capture->spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        *graph = keep<CUgraph>(new Tasks(std::move(capture->tasks)));
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
    return with_context([&] {
        const auto stream = find_stream(handle);
        if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        *status = CU_STREAM_CAPTURE_STATUS_NONE;
        if (stream->capture) {
            *status = stream->capture->spoilt ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
        }
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphInstantiate(CUgraphExec *executable, CUgraph graph, unsigned long long) {
    return with_context([&] {
        const Tasks *tasks = find(graph);
        if (tasks == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *executable = keep<CUgraphExec>(new Tasks(*tasks));
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
    return with_context([&] {
        const Tasks *tasks = find(executable);
        if (tasks == nullptr) return CUDA_ERROR_INVALID_VALUE;
        for (const Task &task : *tasks) {
            if (const CUresult status = enqueue(stream, task)) return status;
        }
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphDestroy(CUgraph graph) {
    return without_context([&] { return destroy(graph); });
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
    return without_context([&] { return destroy(executable); });
}
