// output[j, k] = λ[ρ, b] · input[ρ, k] · γ[b, k] in float32, rounded once: n copies of a matrix below each other, each with scales of its own.
// Output row j is row ρ of copy b: j = b·rows + ρ, or ρ·n + b when `row_by_row`.
//
// A block takes 256/width rows at a time; `width` threads walk over a row four elements each.
//
// TERA_INPUT, TERA_OUTPUT: 0 float32, 1 bfloat16, 2 float16.
#include "elementwise/quads.cuh"

namespace tera {

struct ScaledCopiesArguments {
    const void* input;
    void* output;
    const float* row_scale;     // rows × copies, or null
    const float* column_scale;  // copies × columns, or null
    i64 rows;
    i64 columns;
    i64 stride;
    i64 copies;
    u32 row_by_row;
    u32 width;  // a power of two, at most 256
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) scaled_copies(const __grid_constant__ tera::ScaledCopiesArguments p) {
    using namespace tera;
    const bool input_aligned = quad_aligned<TERA_INPUT>(p.input) && p.stride % 4 == 0;
    const bool output_aligned = quad_aligned<TERA_OUTPUT>(p.output) && p.columns % 4 == 0;
    const bool scale_aligned = quad_aligned<kFloat32>(p.column_scale) && p.columns % 4 == 0;
    const u32 group = blockDim.x / p.width;
    for (i64 j = static_cast<i64>(blockIdx.x) * group + threadIdx.x / p.width; j < p.rows * p.copies; j += static_cast<i64>(gridDim.x) * group) {
        const i64 row = p.row_by_row ? j / p.copies : j % p.rows;
        const i64 copy = p.row_by_row ? j % p.copies : j / p.rows;
        const float lambda = p.row_scale == nullptr ? 1.0f : p.row_scale[row * p.copies + copy];
        for (i64 k = 4 * (threadIdx.x % p.width); k < p.columns; k += 4 * static_cast<i64>(p.width)) {
            float v[4];
            read_quad<TERA_INPUT>(p.input, row * p.stride + k, p.columns - k, input_aligned, v);
            float gamma[4] = {1.0f, 1.0f, 1.0f, 1.0f};
            if (p.column_scale != nullptr) {
                read_quad<kFloat32>(p.column_scale, copy * p.columns + k, p.columns - k, scale_aligned, gamma);
            }
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                v[u] = lambda * v[u] * gamma[u];
            }
            write_quad<TERA_OUTPUT>(p.output, j * p.columns + k, p.columns - k, output_aligned, v);
        }
    }
}
