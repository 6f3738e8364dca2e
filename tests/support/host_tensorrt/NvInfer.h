// Stands in for the part of TensorRT 10 that examples/cpp calls: a "plan" is an ONNX file that OpenVINO computes.
//
// The signatures are TensorRT's. It says nothing about real plans, their speed or a GPU.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <openvino/runtime/core.hpp>

#include "cuda_runtime_api.h"

namespace nvinfer1 {

enum class DataType : std::int32_t { kFLOAT = 0, kUINT8 = 5 };
enum class TensorIOMode : std::int32_t { kNONE, kINPUT, kOUTPUT };
enum class ExecutionContextAllocationStrategy : std::int32_t { kSTATIC };

struct Dims {
    std::int32_t nbDims;
    std::int64_t d[8];
};

class ILogger {
public:
    enum class Severity : std::int32_t { kINTERNAL_ERROR, kERROR, kWARNING, kINFO, kVERBOSE };
    virtual void log(Severity severity, const char* message) noexcept = 0;
    virtual ~ILogger() = default;
};

class IExecutionContext {
public:
    explicit IExecutionContext(std::shared_ptr<ov::Model> network) : model(std::move(network)) {}

    bool setInputShape(const char* name, const Dims& dims) noexcept {
        shapes[name] = ov::PartialShape(std::vector<ov::Dimension>(dims.d, dims.d + dims.nbDims));
        if (shapes.size() == model->inputs().size()) model->reshape(shapes);
        return true;
    }

    Dims getTensorShape(const char* name) const noexcept {
        Dims dims{};
        for (const auto& port : ports())
            if (port.get_any_name() == name)
                for (const auto& side : port.get_partial_shape())
                    dims.d[dims.nbDims++] = side.is_dynamic() ? -1 : side.get_length();
        return dims;
    }

    bool setTensorAddress(const char* name, void* address) noexcept {
        addresses[name] = address;
        return true;
    }

    bool enqueueV3(cudaStream_t) noexcept {
        if (!request) {
            compiled = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32));
            request = compiled.create_infer_request();
        }
        for (const auto& port : model->inputs())
            request.set_tensor(port.get_any_name(), memory(port));
        request.infer();
        for (const auto& port : model->outputs()) request.get_tensor(port.get_any_name()).copy_to(memory(port));
        return true;
    }

    std::vector<ov::Output<ov::Node>> ports() const {
        auto all = model->inputs();
        for (const auto& output : model->outputs()) all.push_back(output);
        return all;
    }

private:
    ov::Tensor memory(const ov::Output<ov::Node>& port) {
        return {port.get_element_type(), port.get_shape(), addresses.at(port.get_any_name())};
    }

    std::shared_ptr<ov::Model> model;
    std::map<std::string, ov::PartialShape> shapes;
    std::map<std::string, void*> addresses;
    ov::Core core;
    ov::CompiledModel compiled;
    ov::InferRequest request;
};

class ICudaEngine {
public:
    explicit ICudaEngine(std::shared_ptr<ov::Model> network) : model(network), unshaped(std::move(network)) {}

    std::int32_t getNbIOTensors() const noexcept { return static_cast<std::int32_t>(unshaped.ports().size()); }

    const char* getIOTensorName(std::int32_t index) const noexcept {
        return names.emplace(unshaped.ports()[index].get_any_name()).first->c_str();
    }

    TensorIOMode getTensorIOMode(const char* name) const noexcept {
        for (const auto& port : model->inputs())
            if (port.get_any_name() == name) return TensorIOMode::kINPUT;
        return TensorIOMode::kOUTPUT;
    }

    DataType getTensorDataType(const char* name) const noexcept {
        for (const auto& port : unshaped.ports())
            if (port.get_any_name() == name && port.get_element_type() == ov::element::u8) return DataType::kUINT8;
        return DataType::kFLOAT;
    }

    Dims getTensorShape(const char* name) const noexcept { return unshaped.getTensorShape(name); }

    IExecutionContext* createExecutionContext(
        ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy::kSTATIC) noexcept {
        return new IExecutionContext(model->clone());
    }

private:
    std::shared_ptr<ov::Model> model;
    IExecutionContext unshaped;
    mutable std::set<std::string> names;
};

class IRuntime {
public:
    explicit IRuntime(ILogger& log) : logger(log) {}

    ICudaEngine* deserializeCudaEngine(const void* plan, std::size_t bytes) noexcept {
        try {
            return new ICudaEngine(core.read_model({static_cast<const char*>(plan), bytes}, ov::Tensor()));
        } catch (const ov::Exception&) {
            logger.log(ILogger::Severity::kERROR, "the plan is damaged");
            return nullptr;
        }
    }

private:
    ILogger& logger;
    ov::Core core;
};

inline IRuntime* createInferRuntime(ILogger& logger) noexcept { return new IRuntime(logger); }

}  // namespace nvinfer1
