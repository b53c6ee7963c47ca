// The gradients of the core's diagonals from H in memory (R×S, TERA_DTYPE), with the core G regenerated beside it:
//   row_gradient[r]    = alpha · Σ_s H[r, s]·G[r, s]·column_scale[s]
//   column_gradient[s] = alpha · Σ_r H[r, s]·G[r, s]·row_scale[r]
// H may lie in several layers, as a product in parts leaves it: they are added in order first.
//
// Mapping: a block has 256 columns and tile_rows rows; a warp takes every eighth of these, a lane eight neighbours of a row, which it loads
// and generates at once. Sums along rows are added over the warp, sums along columns stay with the lane until the block's last row, then the
// warps are added in order. Each block writes partial sums of its own, row_partial[tile_n][r] and column_partial[tile_m][s], and
// core_projection_sum.cu adds those. The order of every sum depends on the shape alone.
#include "common/dtype.cuh"
#include "common/quads.cuh"
#include "common/reductions.cuh"
#include "gemm/core_values.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreMarginalsPass.Arguments.
struct CoreMarginalsArguments {
    const Element<TERA_DTYPE>::Storage* h;
    const float* row_scale;
    const float* column_scale;
    float* row_partial;    // tiles_n × R
    float* column_partial; // tiles_m × S
    Core core;
    u32 tile_rows; // of a block, a multiple of eight
    u32 tiles_n;
    i32 layers; // of H; one, but for float32
    i32 padding;
};

constexpr int kMarginalWarps = 8;
constexpr int kMarginalColumns = 256; // eight for each lane

/// Eight neighbours of a row, or those `left` that it has, and zeros.
__device__ __forceinline__ void load_eight(const Element<TERA_DTYPE>::Storage* from, bool whole, i64 left, float (&h)[8])
{
    if (whole) {
        read_whole_eight<TERA_DTYPE>(from, h);
    } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            h[i] = i < left ? Element<TERA_DTYPE>::decode(from[i]) : 0.0f;
        }
    }
}

/// The same of H: the sum of its layers.
__device__ __forceinline__ void load_sum(const CoreMarginalsArguments& p, const Element<TERA_DTYPE>::Storage* from, bool whole, i64 left, float (&h)[8])
{
    load_eight(from, whole, left, h);
#pragma unroll 4
    for (i32 layer = 1; TERA_DTYPE == kFloat32 && layer < p.layers; ++layer) {
        float more[8];
        from += p.core.rows * p.core.columns;
        load_eight(from, whole, left, more);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            h[i] += more[i];
        }
    }
}

/// Eight neighbours of the core, from a multiple of eight on.
template <int D>
struct WholeGroups {
    static __device__ __forceinline__ void generate(const Core& core, u64 first, float (&g)[8])
    {
        Factor<D>::template consecutive<8>(core.source, first, g);
    }
};

/// Where they straddle the generator's blocks: one by one.
struct SingleElements {
    static __device__ __forceinline__ void generate(const Core& core, u64 first, float (&g)[8])
    {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            g[i] = single_element(core.source, first + i);
        }
    }
};

/// The block's share: partial sums of its rows to memory, those of its columns, warp by warp, to shared memory.
template <class Generator>
__device__ __forceinline__ void sum_tile(const CoreMarginalsArguments& p, i64 first_row, i64 s, u32 tile_n, float* columns)
{
    const i64 end = min(p.core.rows, first_row + p.tile_rows);
    const bool whole = reinterpret_cast<u64>(p.h) % 16 == 0 && p.core.columns % 8 == 0 && s < p.core.columns;
    float scale[8], sum[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        scale[i] = s + i < p.core.columns ? p.column_scale[s + i] : 0.0f;
        sum[i] = 0.0f;
    }
    i64 r = first_row + threadIdx.x / 32, number = r * p.core.columns + s;
#pragma unroll 1
    for (; r < end; r += kMarginalWarps, number += kMarginalWarps * p.core.columns) {
        float h[8], g[8];
        load_sum(p, p.h + number, whole, p.core.columns - s, h);
        const float d = p.row_scale[r];
        Generator::generate(p.core, static_cast<u64>(number), g);
        float row = 0.0f;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float x = h[i] * g[i];
            row = fmaf(x, scale[i], row);
            sum[i] = fmaf(x, d, sum[i]);
        }
        row = warp_sum(row);
        if (threadIdx.x % 32 == 0) {
            p.row_partial[tile_n * p.core.rows + r] = row;
        }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        columns[i] = sum[i];
    }
}

/// Rarely run: kept out of the other's registers.
static __device__ __noinline__ void sum_tile_singly(const CoreMarginalsArguments& p, i64 first_row, i64 s, u32 tile_n, float* columns)
{
    sum_tile<SingleElements>(p, first_row, s, tile_n, columns);
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(32 * tera::gemm::kMarginalWarps, 3)
    core_marginals(const __grid_constant__ tera::gemm::CoreMarginalsArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];
    auto* sums = reinterpret_cast<float*>(shared); // [kMarginalWarps][kMarginalColumns]

    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const u32 tile_m = blockIdx.x / p.tiles_n, tile_n = blockIdx.x % p.tiles_n;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 first_column = static_cast<i64>(tile_n) * kMarginalColumns;
    const i64 first_row = static_cast<i64>(tile_m) * p.tile_rows, s = first_column + 8 * lane;
    float* own = sums + warp * kMarginalColumns + 8 * lane;
    if (p.core.columns % 8 != 0) {
        sum_tile_singly(p, first_row, s, tile_n, own);
    } else {
        with_distribution(p.core, [&](auto tag) { sum_tile<WholeGroups<decltype(tag)::kValue>>(p, first_row, s, tile_n, own); });
    }
    __syncthreads();
    const i64 column = first_column + threadIdx.x;
    if (column < p.core.columns) {
        float sum = 0.0f;
#pragma unroll
        for (int w = 0; w < kMarginalWarps; ++w) {
            sum += sums[w * kMarginalColumns + threadIdx.x];
        }
        p.column_partial[static_cast<i64>(tile_m) * p.core.columns + column] = sum;
    }
}
