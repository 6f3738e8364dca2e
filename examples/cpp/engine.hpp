// The interface of the engines: openvino_engine.cpp or tensorrt_engine.cpp is linked in.
#pragma once

#include <memory>

#include "bundle.hpp"
#include "image.hpp"

class Engine {
public:
    virtual ~Engine() = default;

    // Embeds the image that frames are compared with. Call it first.
    virtual void set_background(const Pixels& bgr) = 0;
    // Returns each pixel's probability of foreground, 0 to 255.
    virtual Pixels probability_of(const Pixels& bgr) = 0;
};

extern const char* const engine_name;  // as the manifest spells it
std::unique_ptr<Engine> load_engine(const Bundle& bundle);
