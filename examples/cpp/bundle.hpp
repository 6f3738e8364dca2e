// Reads what the sample needs of a bundle's manifest.json.
#pragma once

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

struct Bundle {
    std::string stage1, stage2;  // files of the networks
    std::size_t width, height;   // of the networks' input, in pixels
    double threshold;            // probability, 0 to 1, from which a pixel is foreground
};

// Finds the networks of one precision for one engine. Unlike edgefg.open_bundle, it checks no checksums.
inline Bundle open_bundle(const std::string& folder, const std::string& engine, const std::string& precision) {
    const std::string path = folder + "/manifest.json", format = engine == "tensorrt" ? "plan" : "onnx";
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": expected the manifest of a bundle, found none");
    try {
        const auto manifest = nlohmann::json::parse(file);
        if (manifest.at("schema") != 3) throw std::runtime_error(path + ": expected schema 3; rebuild the bundle");
        for (const auto& variant : manifest.at("variants")) {
            const auto& engines = variant.at("engines");
            const bool runs_here = std::count(engines.begin(), engines.end(), engine) > 0;
            if (!runs_here || variant.at("precision") != precision || variant.at("format") != format) continue;
            const auto file_of = [&](const char* stage) {
                return folder + "/" + variant.at("stages").at(stage).at("file").get<std::string>();
            };
            const auto& size = manifest.at("input_size");
            const auto& threshold = manifest.at("decision").at("threshold");
            return {file_of("stage1"), file_of("stage2"), size.at("width"), size.at("height"), threshold};
        }
    } catch (const nlohmann::json::exception& error) {
        throw std::runtime_error(path + ": " + error.what());
    }
    throw std::runtime_error(path + ": expected networks of " + precision + " for " + engine + ", found none");
}
