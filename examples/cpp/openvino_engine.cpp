// Runs a bundle's ONNX files on the CPU.
#include <algorithm>
#include <map>

#include <openvino/runtime/core.hpp>

#include "engine.hpp"

const char* const engine_name = "openvino";

static ov::InferRequest load_stage(ov::Core& core, const std::string& file) {
    const auto model = core.read_model(file);
    std::map<std::string, ov::PartialShape> shapes;
    for (const auto& input : model->inputs()) {
        auto& shape = shapes[input.get_any_name()] = input.get_partial_shape();
        shape[0] = 1;  // One frame at a time: a graph of fixed shape runs faster.
    }
    model->reshape(shapes);
    // Without the precision, OpenVINO computes in bfloat16 on CPUs that have it, and its masks differ.
    auto compiled = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                                       ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
    return compiled.create_infer_request();
}

class OpenVinoEngine : public Engine {
public:
    explicit OpenVinoEngine(const Bundle& bundle)
        : stage1(load_stage(core, bundle.stage1)), stage2(load_stage(core, bundle.stage2)) {
        // Stage 2 reads the tensors of stage 1: the frame, the distance map and what else the bundle hands on.
        for (const auto& input : stage2.get_compiled_model().inputs())
            stage2.set_tensor(input, stage1.get_tensor(input.get_node()->get_friendly_name()));
    }

    void set_background(const Pixels& bgr) override {
        auto background = stage1.get_tensor("background_features");
        std::fill_n(background.data<float>(), background.get_size(), 0.0f);
        run_stage1(bgr);
        stage1.get_tensor("features").copy_to(background);
    }

    Pixels probability_of(const Pixels& bgr) override {
        run_stage1(bgr);
        stage2.infer();
        const auto probability = stage2.get_tensor("probability");
        const auto* first = static_cast<const std::uint8_t*>(probability.data());
        return Pixels(first, first + probability.get_size());
    }

private:
    void run_stage1(const Pixels& bgr) {
        auto frame = stage1.get_tensor("frame");
        if (frame.get_size() != bgr.size()) throw std::runtime_error("the networks take frames of another size");
        std::copy(bgr.begin(), bgr.end(), frame.data<std::uint8_t>());
        stage1.infer();
    }

    ov::Core core;
    ov::InferRequest stage1, stage2;
};

std::unique_ptr<Engine> load_engine(const Bundle& bundle) { return std::make_unique<OpenVinoEngine>(bundle); }
