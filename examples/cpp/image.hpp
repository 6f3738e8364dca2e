// Reads frames from PPM files and writes masks as PGM files.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using Pixels = std::vector<std::uint8_t>;  // row by row; a frame has 3 bytes a pixel: blue, green, red

// Reads a binary PPM, which must have 8 bits a channel and this size.
inline Pixels read_ppm(const std::string& path, std::size_t width, std::size_t height) {
    std::ifstream file(path, std::ios::binary);
    if (file.get() != 'P' || file.get() != '6') throw std::runtime_error(path + ": expected a binary PPM, found none");
    std::size_t header[3] = {};  // width, height, highest value
    for (auto& number : header) {
        while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        file >> number;
    }
    file.get();  // the one space before the pixels
    const auto form = [](auto w, auto h) { return std::to_string(w) + "x" + std::to_string(h) + " pixels"; };
    const auto expected = form(width, height), found = form(header[0], header[1]);
    if (found != expected) throw std::runtime_error(path + ": expected " + expected + ", found " + found);
    if (header[2] != 255) throw std::runtime_error(path + ": expected 8 bits a channel, found another depth");
    Pixels bgr(width * height * 3);
    if (!file.read(reinterpret_cast<char*>(bgr.data()), bgr.size()))
        throw std::runtime_error(path + ": expected " + std::to_string(bgr.size()) + " bytes of pixels, found fewer");
    for (std::size_t i = 0; i < bgr.size(); i += 3) std::swap(bgr[i], bgr[i + 2]);  // PPM starts with red
    return bgr;
}

inline void write_pgm(const std::string& path, const Pixels& mask, std::size_t width, std::size_t height) {
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << width << " " << height << "\n255\n";
    file.write(reinterpret_cast<const char*>(mask.data()), mask.size());
    if (!file.flush()) throw std::runtime_error(path + ": cannot write this mask");
}
