// One update of all trained parameters, float32. Parameters lie where they lie: a table of segments (sorted, tiling 0 … total − 1) says
// where element i of the flat state has its value and its gradient.
//
//   g ← gradient·gradient_scale
//   SGD:    v ← µ·v + g + λ·w (v is g + λ·w itself in the first step and when µ = 0);  w ← w − η·v
//   AdamW:  w ← w − η·λ·w;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  w ← w − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)
//
// The settings lie in device memory, so that a replayed graph sees new ones. The number of steps done is read by every thread, so a
// second launch of one thread counts it up.
#include "common/host_device.cuh"

namespace tera {

/// Equal to the C# enum OptimizerKind.
enum Optimizer : u32 { kSgd = 0, kAdamW = 1 };

/// Same layout as the C# struct ParameterSegment.
struct ParameterSegment {
    float* value;
    float* gradient;
    i64 offset;
    i64 count;
};

/// Same layout as the C# struct OptimizerSettings.
struct OptimizerSettings {
    float learning_rate;
    float beta1;
    float beta2;
    float epsilon;
    float weight_decay;
    float gradient_scale;
    i32 steps_done;
    i32 clear_gradients;
};

struct OptimizerArguments {
    const ParameterSegment* segments;
    OptimizerSettings* settings;
    float* first_moment;
    float* second_moment;  // unused by SGD
    i64 total;
    u32 segment_count;
    u32 kind;
};

/// The segment of element i: the last one that begins at or before it. Empty segments begin where the next one does.
TERA_HOST_DEVICE u32 find_segment(const ParameterSegment* segments, u32 count, i64 i) {
    u32 low = 0;
    u32 high = count;
    while (high - low > 1) {
        const u32 middle = low + (high - low) / 2;
        if (segments[middle].offset <= i) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/// 1 − βᵗ, in float64: in the first steps the difference has few digits left in float32.
__device__ __forceinline__ float bias_correction(float beta, u32 t) {
    double power = 1.0;
    for (double square = beta; t != 0; t >>= 1, square *= square) {
        if (t & 1u) {
            power *= square;
        }
    }
    return static_cast<float>(1.0 - power);
}

__device__ __forceinline__ float sgd(const OptimizerSettings& s, float w, float g, float& velocity) {
    const float decayed = fmaf(s.weight_decay, w, g);
    velocity = s.steps_done == 0 || s.beta1 == 0.0f ? decayed : fmaf(s.beta1, velocity, decayed);
    return fmaf(-s.learning_rate, velocity, w);
}

__device__ __forceinline__ float adam_w(const OptimizerSettings& s, float correction1, float correction2, float w, float g, float& first, float& second) {
    w = fmaf(-s.learning_rate * s.weight_decay, w, w);
    first = fmaf(1.0f - s.beta1, g, s.beta1 * first);
    second = fmaf((1.0f - s.beta2) * g, g, s.beta2 * second);
    const float mean = first / correction1;
    const float root = sqrtf(second / correction2);
    return w - s.learning_rate * mean / (root + s.epsilon);
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) optimizer_step(const __grid_constant__ tera::OptimizerArguments p) {
    using namespace tera;
    __shared__ float corrections[2];
    const OptimizerSettings s = *p.settings;
    if (threadIdx.x < 2) {
        corrections[threadIdx.x] = bias_correction(threadIdx.x == 0 ? s.beta1 : s.beta2, static_cast<u32>(s.steps_done) + 1u);
    }
    __syncthreads();
    const i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.total; i += stride) {
        const ParameterSegment segment = p.segments[find_segment(p.segments, p.segment_count, i)];
        const i64 at = i - segment.offset;
        const float g = segment.gradient[at] * s.gradient_scale;
        if (p.kind == kAdamW) {
            segment.value[at] = adam_w(s, corrections[0], corrections[1], segment.value[at], g, p.first_moment[i], p.second_moment[i]);
        } else {
            segment.value[at] = sgd(s, segment.value[at], g, p.first_moment[i]);
        }
        if (s.clear_gradients != 0) {
            segment.gradient[at] = 0.0f;
        }
    }
}

/// One thread, after the update.
extern "C" __global__ void count_step(const __grid_constant__ tera::OptimizerArguments p) { p.settings->steps_done += 1; }
