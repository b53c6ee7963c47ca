// The gradients of the scales of scaled_copies.cu from the gradient E of its output, in float32 in a fixed order:
//   row_gradient[ρ, b]    += Σ_k E[j, k] · input[ρ, k] · γ[b, k]
//   column_gradient[b, k] += Σ_ρ E[j, k] · input[ρ, k] · λ[ρ, b]
//
// Rows: a warp sums one row. Columns: the rows of a copy are cut into parts by their number alone; a block sums 32 columns of one part, warp w
// the rows w, w + 8, …, then the eight warps' sums are added in order. With more than one part the sums go to the workspace, and a last kernel
// adds the parts in order.
//
// TERA_DTYPE: of the input; 0 float32, 1 bfloat16, 2 float16.
#include "elementwise/quads.cuh"
#include "elementwise/reductions.cuh"

namespace tera {

constexpr int kWarps = 8;

struct ScaledCopiesGradientArguments {
    const float* gradient;
    const void* input;
    const float* row_scale;     // rows × copies
    const float* column_scale;  // copies × columns
    float* row_gradient;
    float* column_gradient;
    float* partial;  // parts × copies × columns
    i64 rows;
    i64 columns;
    i64 stride;
    i64 copies;
    i64 part_rows;
    u32 parts;
    u32 row_by_row;
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) scaled_copies_row_gradient(const __grid_constant__ tera::ScaledCopiesGradientArguments p) {
    using namespace tera;
    const bool input_aligned = quad_aligned<TERA_DTYPE>(p.input) && p.stride % 4 == 0;
    const bool gradient_aligned = quad_aligned<kFloat32>(p.gradient) && p.columns % 4 == 0;
    const bool scale_aligned = quad_aligned<kFloat32>(p.column_scale) && p.columns % 4 == 0;
    const u32 lane = threadIdx.x % 32;
    for (i64 j = static_cast<i64>(blockIdx.x) * kWarps + threadIdx.x / 32; j < p.rows * p.copies; j += static_cast<i64>(gridDim.x) * kWarps) {
        const i64 row = p.row_by_row ? j / p.copies : j % p.rows;
        const i64 copy = p.row_by_row ? j % p.copies : j / p.rows;
        float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (i64 k = 4 * lane; k < p.columns; k += 128) {
            float e[4], a[4], gamma[4];
            read_quad<kFloat32>(p.gradient, j * p.columns + k, p.columns - k, gradient_aligned, e);
            read_quad<TERA_DTYPE>(p.input, row * p.stride + k, p.columns - k, input_aligned, a);
            read_quad<kFloat32>(p.column_scale, copy * p.columns + k, p.columns - k, scale_aligned, gamma);
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                sum[u] = fmaf(e[u], a[u] * gamma[u], sum[u]);
            }
        }
        const float total = warp_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
        if (lane == 0) {
            p.row_gradient[row * p.copies + copy] += total;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) scaled_copies_column_gradient(const __grid_constant__ tera::ScaledCopiesGradientArguments p) {
    using namespace tera;
    using Type = Element<TERA_DTYPE>;
    __shared__ float sums[kWarps][32];
    const u32 lane = threadIdx.x % 32;
    const u32 warp = threadIdx.x / 32;
    const i64 tiles = (p.columns + 31) / 32;
    const i64 column = blockIdx.x % tiles * 32 + lane;
    const i64 part = blockIdx.x / tiles % p.parts;
    const i64 copy = blockIdx.x / tiles / p.parts;
    const i64 end = min((part + 1) * p.part_rows, p.rows);
    const Type::Storage* input = static_cast<const Type::Storage*>(p.input);
    float sum = 0.0f;
    if (column < p.columns) {
#pragma unroll 4
        for (i64 row = part * p.part_rows + warp; row < end; row += kWarps) {
            const i64 j = p.row_by_row ? row * p.copies + copy : copy * p.rows + row;
            sum = fmaf(p.gradient[j * p.columns + column], Type::decode(input[row * p.stride + column]) * p.row_scale[row * p.copies + copy], sum);
        }
    }
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && column < p.columns) {
        sum = 0.0f;
#pragma unroll
        for (int w = 0; w < kWarps; ++w) {
            sum += sums[w][lane];
        }
        if (p.parts == 1) {
            p.column_gradient[copy * p.columns + column] += sum;
        } else {
            p.partial[(part * p.copies + copy) * p.columns + column] = sum;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) scaled_copies_gradient_parts(const __grid_constant__ tera::ScaledCopiesGradientArguments p) {
    using namespace tera;
    const i64 count = p.copies * p.columns;
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) {
        float sum = 0.0f;
        for (u32 part = 0; part < p.parts; ++part) {
            sum += p.partial[part * count + i];
        }
        p.column_gradient[i] += sum;
    }
}
