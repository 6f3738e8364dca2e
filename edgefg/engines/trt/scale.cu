// Scales frames of any size to the networks' input, as edgefg.imaging.convert.fit does on the host: an axis that shrinks
// is averaged over areas, one that grows is interpolated. examples/research/compile_kernels.py compiles it to scale.ptx.

// The source pixels of one target pixel along one axis: the first, how many, and the weights of the ends. Those between
// weigh 1.
struct Taps {
    int first, count;
    float first_weight, last_weight;
};

__device__ int clamped(int position, int length)
{
    return position < 0 ? 0 : position >= length ? length - 1 : position;
}

__device__ Taps taps_of(int target, int target_length, int source_length)
{
    Taps taps;
    const float step = (float)source_length / target_length;
    if (step >= 1.f) {
        // The area from `begin` to `end`. In whole numbers, so that an edge between two pixels is exactly there.
        const long long begin = (long long)target * source_length, end = begin + source_length;
        taps.first = (int)(begin / target_length);
        const int last = clamped((int)((end - 1) / target_length), source_length);
        taps.count = last - taps.first + 1;
        taps.first_weight = 1.f - (float)(begin - (long long)taps.first * target_length) / target_length;
        taps.last_weight = (float)(end - (long long)last * target_length) / target_length;
        if (taps.count == 1)
            taps.first_weight = 1.f;
    } else {
        // Between the centres of two pixels; at the border there is one.
        const float centre = (target + 0.5f) * step - 0.5f;
        const float below = floorf(centre);
        taps.first = (int)below;
        taps.count = 2;
        taps.last_weight = centre - below;
        taps.first_weight = 1.f - taps.last_weight;
    }
    return taps;
}

__device__ float weight_of(const Taps &taps, int tap)
{
    return tap == 0 ? taps.first_weight : tap == taps.count - 1 ? taps.last_weight : 1.f;
}

__device__ float level_of(float value)
{
    return fminf(fmaxf(rintf(value), 0.f), 255.f);
}

// Frames as they lie in memory.
struct Packed {
    const unsigned char *pixels;
    long long pitch;
    int bytes;  // a pixel: 1 is gray, 3 BGR, 4 BGRA
};

struct Nv12 {
    const unsigned char *luma, *chroma;
    long long luma_pitch, chroma_pitch;
    float black, gain, blue_u, green_u, green_v, red_v;
};

// Reads the blue, green and red of a pixel, in levels.
__device__ void read(const Packed &frame, int x, int y, float *levels)
{
    const unsigned char *pixel = frame.pixels + y * frame.pitch + frame.bytes * x;
    for (int channel = 0; channel < 3; ++channel)
        levels[channel] = pixel[frame.bytes == 1 ? 0 : channel];
}

__device__ void read(const Nv12 &frame, int x, int y, float *levels)
{
    // Four pixels share a pair of U and V.
    const unsigned char *pair = frame.chroma + (y / 2) * frame.chroma_pitch + x / 2 * 2;
    const float bright = (frame.luma[y * frame.luma_pitch + x] - frame.black) * frame.gain;
    const float u = pair[0] - 128.f, v = pair[1] - 128.f;
    levels[0] = level_of(bright + frame.blue_u * u);
    levels[1] = level_of(bright + frame.green_u * u + frame.green_v * v);
    levels[2] = level_of(bright + frame.red_v * v);
}

template <class Source>
__device__ void scale(const Source &source, int width, int height, unsigned char *target, int target_width,
                      int target_height)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= target_width || y >= target_height)
        return;
    const Taps across = taps_of(x, target_width, width), down = taps_of(y, target_height, height);
    float sums[3] = {0.f, 0.f, 0.f}, total = 0.f;
    for (int row = 0; row < down.count; ++row) {
        for (int column = 0; column < across.count; ++column) {
            const float weight = weight_of(down, row) * weight_of(across, column);
            float levels[3];
            read(source, clamped(across.first + column, width), clamped(down.first + row, height), levels);
            for (int channel = 0; channel < 3; ++channel)
                sums[channel] += weight * levels[channel];
            total += weight;
        }
    }
    unsigned char *pixel = target + ((long long)y * target_width + x) * 3;
    for (int channel = 0; channel < 3; ++channel)
        pixel[channel] = (unsigned char)level_of(sums[channel] / total);
}

extern "C" __global__ void scale_packed(const unsigned char *pixels, long long pitch, int bytes, int width, int height,
                                        unsigned char *target, int target_width, int target_height)
{
    scale(Packed{pixels, pitch, bytes}, width, height, target, target_width, target_height);
}

extern "C" __global__ void scale_nv12(const unsigned char *luma, long long luma_pitch, const unsigned char *chroma,
                                      long long chroma_pitch, int width, int height, unsigned char *target,
                                      int target_width, int target_height, float black, float gain, float blue_u,
                                      float green_u, float green_v, float red_v)
{
    const Nv12 source = {luma, chroma, luma_pitch, chroma_pitch, black, gain, blue_u, green_u, green_v, red_v};
    scale(source, width, height, target, target_width, target_height);
}
