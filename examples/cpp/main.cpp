// Segments frames with a bundle, as edgefg.Segmenter(mode="full", policy="fixed", skip_below=None) does.
//
// Run: segment BUNDLE PRECISION MASKS BACKGROUND FRAME...
// BACKGROUND and each FRAME are PPM files of the size of the networks' input. The mask of 0001.ppm is written to
// MASKS/0001.pgm: 255 for foreground, else 0.
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "engine.hpp"

static void run(const std::vector<std::string>& words) {
    const auto& masks = words[3];
    const auto bundle = open_bundle(words[1], engine_name, words[2]);
    const auto engine = load_engine(bundle);
    engine->set_background(read_ppm(words[4], bundle.width, bundle.height));
    std::filesystem::create_directories(masks);
    for (std::size_t i = 5; i < words.size(); ++i) {
        const auto frame = read_ppm(words[i], bundle.width, bundle.height);
        const auto started = std::chrono::steady_clock::now();
        auto mask = engine->probability_of(frame);
        for (auto& pixel : mask) pixel = pixel >= 255 * bundle.threshold ? 255 : 0;
        const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - started;
        const auto file = masks + "/" + std::filesystem::path(words[i]).stem().string() + ".pgm";
        write_pgm(file, mask, bundle.width, bundle.height);
        std::printf("%s: %.1f ms\n", file.c_str(), taken.count());
    }
}

int main(int count, char** words) {
    try {
        if (count < 6) throw std::runtime_error("expected BUNDLE PRECISION MASKS BACKGROUND FRAME...");
        run({words, words + count});
    } catch (const std::exception& error) {
        std::string line = error.what();
        std::replace(line.begin(), line.end(), '\n', ' ');  // OpenVINO's errors have several lines.
        std::fprintf(stderr, "segment: %s\n", line.c_str());
        return 2;
    }
}
