// Events: a moment of a stream, and its time.
#include "state.hpp"

#include <map>

namespace host_cuda {

namespace {

using Clock = std::chrono::steady_clock;

struct Event {
    bool has_time;
    bool is_recorded = false;
    Moment moment = {};
    Clock::time_point passed = {};
};

std::map<CUevent, std::shared_ptr<Event>> made;

std::shared_ptr<Event> find_event(CUevent handle) {
    const auto found = made.find(handle);
    return found == made.end() ? nullptr : found->second;
}

}  // namespace

size_t live_events() { return made.size(); }

}  // namespace host_cuda

using namespace host_cuda;

CUresult cuEventCreate(CUevent *handle, unsigned flags) {
    return with_context([&] {
        const auto event = std::make_shared<Event>(Event{(flags & CU_EVENT_DISABLE_TIMING) == 0});
        *handle = reinterpret_cast<CUevent>(event.get());
        made[*handle] = event;
        return CUDA_SUCCESS;
    });
}

CUresult cuEventDestroy(CUevent handle) {
    return with_context([&] { return made.erase(handle) == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; });
}

CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
    return with_context([&] {
        const auto event = find_event(handle);
        const auto stream = find_stream(stream_handle);
        if (event == nullptr || stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->capture) return CUDA_ERROR_NOT_SUPPORTED;  // not written: edgefg captures no events
        const CUresult status = enqueue(stream_handle, {[event] { event->passed = Clock::now(); }, {}});
        if (status == CUDA_SUCCESS) {
            event->is_recorded = true;
            event->moment = now_in(stream);
        }
        return status;
    });
}

CUresult cuEventSynchronize(CUevent handle) {
    return with_context([&] {
        const auto event = find_event(handle);
        if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        const Moment moment = event->moment;
        wait_for(moment);
        return CUDA_SUCCESS;
    });
}

CUresult cuEventQuery(CUevent handle) {
    return with_context([&] {
        if (const CUresult status = check_no_capture()) return status;
        const auto event = find_event(handle);
        if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        return event->moment.has_passed() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
    });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent handle, unsigned) {
    return with_context([&] {
        const auto event = find_event(handle);
        if (event == nullptr || find_stream(stream) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        if (find_stream(stream)->capture) return CUDA_ERROR_NOT_SUPPORTED;  // not written, see cuEventRecord
        // Later records of the event change nothing here.
        return enqueue(stream, {[] {}, {}, {event->moment}});
    });
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
    return with_context([&] {
        const auto from = find_event(begin), to = find_event(end);
        for (const auto &event : {from, to}) {
            if (event == nullptr || !event->has_time || !event->is_recorded) return CUDA_ERROR_INVALID_HANDLE;
            if (!event->moment.has_passed()) return CUDA_ERROR_NOT_READY;
        }
        *milliseconds = std::chrono::duration<float, std::milli>(to->passed - from->passed).count();
        return CUDA_SUCCESS;
    });
}
