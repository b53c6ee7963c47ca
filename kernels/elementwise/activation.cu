// output[i] = f(input[i])   and   input_gradient[i] = output_gradient[i]·f′(input[i]), which may be in place of the output gradient.
// f is max(x, 0) with NaN kept (f′(0) = 0), or x·Φ(x) with Φ by the complementary error function, which keeps its digits in the left tail.
//
// TERA_DTYPE: of all tensors; 0 float32, 1 bfloat16, 2 float16. Arithmetic is float32.
#include "common/quads.cuh"

namespace tera {

/// Equal to the C# enum ActivationKind.
enum Activation : u32 { kRelu = 0, kGelu = 1 };

struct ActivationArguments {
    const void* input;
    const void* output_gradient;  // null in the forward pass
    void* output;                 // or the input gradient
    i64 count;
    u32 kind;
};

/// Φ(x): the standard normal distribution.
__device__ __forceinline__ float normal_cumulative(float x) { return 0.5f * erfcf(-0.707106781f * x); }

__device__ __forceinline__ float activate(u32 kind, float x) {
    if (kind == kRelu) {
        return x <= 0.0f ? 0.0f : x;
    }
    return x * normal_cumulative(x);
}

__device__ __forceinline__ float derivative(u32 kind, float x) {
    if (kind == kRelu) {
        return x > 0.0f ? 1.0f : x <= 0.0f ? 0.0f : x;
    }
    return normal_cumulative(x) + x * (0.398942280f * expf(-0.5f * x * x));
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) activation(const __grid_constant__ tera::ActivationArguments p) {
    using namespace tera;
    const bool aligned = quad_aligned<TERA_DTYPE>(p.input) && quad_aligned<TERA_DTYPE>(p.output);
    for (i64 i = first_quad(); i < p.count; i += quad_stride()) {
        float v[4];
        read_quad<TERA_DTYPE>(p.input, i, p.count - i, aligned, v);
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            v[u] = activate(p.kind, v[u]);
        }
        write_quad<TERA_DTYPE>(p.output, i, p.count - i, aligned, v);
    }
}

extern "C" __global__ void __launch_bounds__(256) activation_gradient(const __grid_constant__ tera::ActivationArguments p) {
    using namespace tera;
    const bool aligned =
        quad_aligned<TERA_DTYPE>(p.input) && quad_aligned<TERA_DTYPE>(p.output_gradient) && quad_aligned<TERA_DTYPE>(p.output);
    for (i64 i = first_quad(); i < p.count; i += quad_stride()) {
        float x[4], g[4];
        read_quad<TERA_DTYPE>(p.input, i, p.count - i, aligned, x);
        read_quad<TERA_DTYPE>(p.output_gradient, i, p.count - i, aligned, g);
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            g[u] *= derivative(p.kind, x[u]);
        }
        write_quad<TERA_DTYPE>(p.output, i, p.count - i, aligned, g);
    }
}
