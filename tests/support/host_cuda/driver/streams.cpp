// Streams, and when their work is done. HOST_CUDA_RUNS says when:
//
// now       At once, in the call that asks for it.
// late      Not before something waits for it: the host, or a stream that the host waits for. Of all orders that CUDA
//           allows, this is the one in which whatever was forgotten to be waited for comes last.
// shuffled  In a thread of this driver, which takes turns at random; HOST_CUDA_SEED chooses which.
#include "state.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>

namespace host_cuda {

namespace {

using StreamPointer = std::shared_ptr<Stream>;

constexpr int kLongestPauseUs = 200;

enum class Mode { now, late, shuffled };

Mode mode() {
    static const Mode chosen = [] {
        const char *given = std::getenv("HOST_CUDA_RUNS");
        const std::string name = given == nullptr ? "now" : given;
        if (name == "late") return Mode::late;
        return name == "shuffled" ? Mode::shuffled : Mode::now;
    }();
    return chosen;
}

// Never destroyed: the thread that takes turns may outlive the program's end.
StreamPointer &legacy_stream = *new StreamPointer(std::make_shared<Stream>(Stream{true}));
std::map<CUstream, StreamPointer> &made = *new std::map<CUstream, StreamPointer>;
// With those that were destroyed before their work was done, and the default streams.
std::vector<StreamPointer> &working = *new std::vector<StreamPointer>{legacy_stream};
std::condition_variable_any &progress = *new std::condition_variable_any;
thread_local StreamPointer thread_stream;  // of CU_STREAM_PER_THREAD

void add(const StreamPointer &stream) {
    const auto idle = [](const StreamPointer &one) {
        return one != legacy_stream && one.use_count() == 1 && one->tasks.empty();
    };
    working.erase(std::remove_if(working.begin(), working.end(), idle), working.end());
    working.push_back(stream);
}

bool is_ready(const Stream &stream) {
    if (stream.tasks.empty()) return false;
    const auto &after = stream.tasks.front().after;
    return std::all_of(after.begin(), after.end(), [](const Moment &moment) { return moment.has_passed(); });
}

void run_next(Stream &stream) {
    const Task task = std::move(stream.tasks.front());
    stream.tasks.pop_front();
    for (const Moment &moment : task.after) wait_for(moment);
    task.work();
    ++stream.done;
}

void take_random_turns() {
    const char *seed = std::getenv("HOST_CUDA_SEED");
    std::mt19937 random(seed == nullptr ? 0 : std::atoi(seed));
    for (;;) {
        {
            const std::lock_guard<std::mutex> locked(everything);
            std::vector<StreamPointer> ready;
            for (const StreamPointer &stream : working) {
                if (is_ready(*stream)) ready.push_back(stream);
            }
            if (!ready.empty()) run_next(*ready[random() % ready.size()]);
            progress.notify_all();
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % kLongestPauseUs));
    }
}

void spoil(Stream &stream) {
    if (stream.capture) stream.capture->spoilt = true;
}

// Makes work wait as the legacy default stream orders it: for all blocking streams, and they for it.
CUresult order_by_default_stream(const StreamPointer &stream, Task &task) {
    if (stream != legacy_stream) {
        if (stream->is_blocking) task.after.push_back(now_in(legacy_stream));
        return CUDA_SUCCESS;
    }
    CUresult status = CUDA_SUCCESS;
    for (const StreamPointer &other : working) {
        if (!other->is_blocking || other == legacy_stream) continue;
        if (other->capture) {
            spoil(*other);
            status = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
        task.after.push_back(now_in(other));
    }
    return status;
}

}  // namespace

bool Moment::has_passed() const { return stream == nullptr || stream->done >= number; }

StreamPointer find_stream(CUstream handle) {
    if (handle == nullptr || handle == CU_STREAM_LEGACY) return legacy_stream;
    if (handle == CU_STREAM_PER_THREAD) {
        if (thread_stream == nullptr) add(thread_stream = std::make_shared<Stream>(Stream{true}));
        return thread_stream;
    }
    const auto found = made.find(handle);
    return found == made.end() ? nullptr : found->second;
}

Moment now_in(const StreamPointer &stream) { return {stream, stream->added}; }

CUresult enqueue(CUstream handle, Task task) {
    const StreamPointer stream = find_stream(handle);
    if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        stream->capture->tasks.push_back(std::move(task));
        return CUDA_SUCCESS;
    }
    if (const CUresult status = order_by_default_stream(stream, task)) return status;
    stream->tasks.push_back(std::move(task));
    ++stream->added;
    if (mode() == Mode::now) wait_for(now_in(stream));
    if (mode() == Mode::shuffled) {
        static std::once_flag started;
        std::call_once(started, [] { std::thread(take_random_turns).detach(); });
    }
    return CUDA_SUCCESS;
}

CUresult run_in_default_stream(Task task) {
    if (const CUresult status = check_no_capture()) return status;
    const CUresult status = enqueue(CU_STREAM_LEGACY, std::move(task));
    if (status == CUDA_SUCCESS) wait_for(now_in(legacy_stream));
    return status;
}

void wait_for(const Moment &moment) {
    if (mode() == Mode::shuffled) {
        // The lock is the caller's, who has it again when this returns.
        progress.wait(everything, [&] { return moment.has_passed(); });
        return;
    }
    while (!moment.has_passed()) run_next(*moment.stream);
}

void wait_for_all_streams() {
    const std::vector<StreamPointer> all = working;
    for (const StreamPointer &stream : all) wait_for(now_in(stream));
}

CUresult check_no_capture() {
    for (const StreamPointer &stream : working) {
        if (!stream->capture || stream->capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
        const bool is_mine = stream->capture->thread == std::this_thread::get_id();
        if (is_mine || stream->capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL) {
            spoil(*stream);
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return CUDA_SUCCESS;
}

CUresult check_no_capture_anywhere() {
    CUresult status = CUDA_SUCCESS;
    for (const StreamPointer &stream : working) {
        if (!stream->capture) continue;
        spoil(*stream);
        status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return status;
}

void check_not_in_flight(const void *start, size_t bytes, const char *call) {
    const auto first = reinterpret_cast<uintptr_t>(start);
    const auto is_inside = [&](const void *address) {
        return reinterpret_cast<uintptr_t>(address) - first < bytes;
    };
    const std::vector<StreamPointer> all = working;
    for (const StreamPointer &stream : all) {
        for (const Task &task : stream->tasks) {
            if (!std::any_of(task.touched.begin(), task.touched.end(), is_inside)) continue;
            add_fault(std::string(call) + " freed memory in flight: wait for the stream that still works with it");
            wait_for(now_in(stream));
            break;
        }
    }
}

size_t live_streams() { return made.size(); }

}  // namespace host_cuda

using namespace host_cuda;

CUresult cuStreamCreate(CUstream *handle, unsigned flags) {
    return with_context([&] {
        const auto stream = std::make_shared<Stream>(Stream{(flags & CU_STREAM_NON_BLOCKING) == 0});
        *handle = reinterpret_cast<CUstream>(stream.get());
        made[*handle] = stream;
        add(stream);
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamDestroy(CUstream handle) {
    // What the stream still has to do is done nevertheless.
    return with_context([&] { return made.erase(handle) == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; });
}

CUresult cuStreamSynchronize(CUstream handle) {
    return with_context([&] {
        const auto stream = find_stream(handle);
        if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->capture) {
            stream->capture->spoilt = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
        wait_for(now_in(stream));
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamQuery(CUstream handle) {
    return with_context([&] {
        const auto stream = find_stream(handle);
        if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
        return now_in(stream).has_passed() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
    });
}
