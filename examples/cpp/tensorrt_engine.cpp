// Runs the plans that `edgefg compile` wrote, with TensorRT 10 or later. Not run on a GPU yet.
#include <map>

#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include "engine.hpp"

const char* const engine_name = "tensorrt";

// Keeps TensorRT's last error, which names the cause.
static struct : nvinfer1::ILogger {
    void log(Severity severity, const char* message) noexcept override {
        if (severity <= Severity::kERROR) last_error = message;
    }
    std::string last_error = "TensorRT reports no reason";
} logger;

static void check(bool succeeded, const std::string& doing) {
    if (!succeeded) throw std::runtime_error("cannot " + doing + ": " + logger.last_error);
}

static void check(cudaError_t status, const std::string& doing) {
    if (status != cudaSuccess) throw std::runtime_error("cannot " + doing + ": " + cudaGetErrorString(status));
}

template <typename Object>
static std::unique_ptr<Object> made(Object* object, const std::string& doing) {
    check(object != nullptr, doing);
    return std::unique_ptr<Object>(object);
}

struct GpuArray {
    std::unique_ptr<void, cudaError_t (*)(void*)> memory;
    std::size_t bytes;
};

// The arrays of both stages, by the names that stage 1 and stage 2 share.
using GpuArrays = std::map<std::string, GpuArray>;

// Runs one network, on one frame at a time.
class Stage {
public:
    Stage(nvinfer1::IRuntime& runtime, const std::string& file, GpuArrays& arrays) : doing("run " + file) {
        std::ifstream stream(file, std::ios::binary);
        const std::string plan(std::istreambuf_iterator<char>(stream), {});
        engine = made(runtime.deserializeCudaEngine(plan.data(), plan.size()), "load " + file);
        context = made(engine->createExecutionContext(), "make a context for " + file);
        std::vector<const char*> names;
        for (int i = 0; i < engine->getNbIOTensors(); ++i) names.push_back(engine->getIOTensorName(i));
        for (const char* name : names) {
            if (engine->getTensorIOMode(name) != nvinfer1::TensorIOMode::kINPUT) continue;
            auto shape = engine->getTensorShape(name);
            shape.d[0] = 1;
            check(context->setInputShape(name, shape), doing);
        }
        for (const char* name : names) {
            const auto shape = context->getTensorShape(name);
            std::size_t bytes = engine->getTensorDataType(name) == nvinfer1::DataType::kUINT8 ? 1 : sizeof(float);
            for (int side = 0; side < shape.nbDims; ++side) bytes *= shape.d[side];
            if (arrays.count(name) == 0) {
                void* address = nullptr;
                check(cudaMalloc(&address, bytes), "allocate memory on the GPU");
                arrays.emplace(name, GpuArray{{address, cudaFree}, bytes});
            }
            const auto& array = arrays.at(name);
            if (array.bytes != bytes) throw std::runtime_error(file + ": the stages are of different networks");
            check(context->setTensorAddress(name, array.memory.get()), doing);
        }
    }
    void enqueue(cudaStream_t stream) { check(context->enqueueV3(stream), doing); }

private:
    std::string doing;
    std::unique_ptr<nvinfer1::ICudaEngine> engine;
    std::unique_ptr<nvinfer1::IExecutionContext> context;  // is freed before its engine
};

class TensorRtEngine : public Engine {
public:
    explicit TensorRtEngine(const Bundle& bundle)
        : stage1(*runtime, bundle.stage1, arrays), stage2(*runtime, bundle.stage2, arrays) {}

    void set_background(const Pixels& bgr) override {
        const auto &background = arrays.at("background_features"), &features = arrays.at("features");
        check(cudaMemsetAsync(background.memory.get(), 0, background.bytes, stream), "embed the background");
        run_stage1(bgr);
        copy(background.memory.get(), features.memory.get(), background.bytes);
        check(cudaStreamSynchronize(stream), "embed the background");
    }

    Pixels probability_of(const Pixels& bgr) override {
        run_stage1(bgr);
        stage2.enqueue(stream);
        const auto& probability = arrays.at("probability");
        Pixels levels(probability.bytes);
        copy(levels.data(), probability.memory.get(), levels.size());
        check(cudaStreamSynchronize(stream), "segment a frame");
        return levels;
    }

private:
    void run_stage1(const Pixels& bgr) {
        const auto& frame = arrays.at("frame");
        if (frame.bytes != bgr.size()) throw std::runtime_error("the networks take frames of another size");
        copy(frame.memory.get(), bgr.data(), bgr.size());
        stage1.enqueue(stream);
    }

    void copy(void* to, const void* from, std::size_t bytes) {
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "copy an array");
    }

    const cudaStream_t stream = cudaStreamPerThread;
    const std::unique_ptr<nvinfer1::IRuntime> runtime = made(nvinfer1::createInferRuntime(logger), "start TensorRT");
    GpuArrays arrays;
    Stage stage1, stage2;
};

std::unique_ptr<Engine> load_engine(const Bundle& bundle) { return std::make_unique<TensorRtEngine>(bundle); }
