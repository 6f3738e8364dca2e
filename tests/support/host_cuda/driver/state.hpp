// A CUDA driver in host memory: the rules of the driver's interface, without a GPU.
//
// Device memory is host memory, and work is done by the CPU, in the order that its mode says: see streams.cpp. What
// programs get wrong is told as a real driver tells it, by status; what that would not notice is noted as a fault.
#pragma once

#include <cuda.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace host_cuda {

// One lock for all: what matters here is the order of work, not its speed.
extern std::mutex everything;

// ---- contexts (context.cpp)

// CUDA_SUCCESS if this thread has a context that is alive.
CUresult check_context();
// Notes what a real driver would not have noticed.
void add_fault(const std::string &text);

// Runs a call of the interface, which needs no context.
template <class Call> CUresult without_context(Call call) {
    const std::lock_guard<std::mutex> locked(everything);
    return call();
}

// Runs a call of the interface in the current context.
template <class Call> CUresult with_context(Call call) {
    return without_context([&] {
        const CUresult status = check_context();
        return status == CUDA_SUCCESS ? call() : status;
    });
}

// ---- memory (memory.cpp)

// Whether all of the bytes belong to one allocation on the device.
bool is_on_device(CUdeviceptr address, size_t bytes);
// Whether a kernel may use the address: on the device, or pinned on the host.
bool is_reachable(CUdeviceptr address);
// The allocations that are alive.
size_t device_blocks();
size_t pinned_blocks();

// ---- streams (streams.cpp)

struct Stream;

// All work that a stream had up to a number.
struct Moment {
    std::shared_ptr<Stream> stream;
    long number = 0;
    bool has_passed() const;
};

struct Task {
    std::function<void()> work;
    std::vector<const void *> touched;  // addresses in the memory that it reads and writes
    std::vector<Moment> after = {};
};

// What a stream was told while it was captured.
struct Capture {
    CUstreamCaptureMode mode;
    std::thread::id thread;
    std::vector<Task> tasks = {};
    bool spoilt = false;
};

struct Stream {
    bool is_blocking;  // with the legacy default stream
    std::deque<Task> tasks = {};
    long added = 0, done = 0;
    std::unique_ptr<Capture> capture = {};
};

// The stream of a handle; null if there is none.
std::shared_ptr<Stream> find_stream(CUstream handle);
// All that the stream was told so far.
Moment now_in(const std::shared_ptr<Stream> &stream);
// Adds work to a stream, or to what is captured of it.
CUresult enqueue(CUstream handle, Task task);
// Adds work to the legacy default stream, and waits for it, as all calls do that have no stream.
CUresult run_in_default_stream(Task task);
void wait_for(const Moment &moment);
void wait_for_all_streams();
// Fails, and spoils the capture, if this thread may not make unsafe calls because a stream is being captured.
CUresult check_no_capture();
// The same for calls that wait for all streams, in any thread.
CUresult check_no_capture_anywhere();
// Notes a fault if work that did not run yet touches the memory, and runs that work.
void check_not_in_flight(const void *start, size_t bytes, const char *call);
size_t live_streams();

// ---- the others

size_t live_events();  // events.cpp
size_t live_graphs();  // graphs.cpp

}  // namespace host_cuda
