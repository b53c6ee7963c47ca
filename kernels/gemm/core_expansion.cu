// The regenerated core with the first mode of one side applied: a product F·G with both operands generated, scaled on both sides.
//   over rows:     output[o, n] = alpha · outer[n % S] · Σ_k F[o, k] · inner[k·rest + n / S] · G[k·N + n],       n = i·S + s < N = rest·S
//   over columns:  output[o·rest + j, r] = alpha · outer[r] · Σ_k F[o, k] · inner[k·rest + j] · G[r·S + k·rest + j]
//   G's elements by their number in their stream; F Out×In of another stream; everything float32 but the output (TERA_DTYPE).
//
// Mapping: a block has 128 places of the output's rows (over rows 128 neighbours n; over columns four j times 32 r, so that the generator's
// four neighbours along j and the output's along r both stay together) and TERA_TILES·16 rows o. Eight k at a time: each of eight warps
// generates the core's elements for one of them into shared memory, where all o share them, while TERA_TILES more warps generate F; then a
// thread of the eight has eight places of every sixteenth o. The sum runs over k in ascending order.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16), TERA_TILES (1, 4).
#include "common/dtype.cuh"
#include "gemm/core_values.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreExpansionLauncher.Arguments.
struct CoreExpansionArguments {
    Element<TERA_DTYPE>::Storage* output;
    const float* inner; // the scale of the dimension that F contracts, or null for ones
    const float* outer; // of the other one
    Core core;
    RandomSource factor;
    i64 rest;              // the contracted dimension without its first mode
    i32 in, out;           // of F
    i32 in_step, out_step; // of F's numbering
    float alpha;
    i32 over_columns;
};

constexpr int kOutTile = 16, kOutTiles = TERA_TILES, kOuts = kOutTile * kOutTiles;
constexpr int kCoreThreads = 256, kFactorThreads = 32 * kOutTiles, kExpansionThreads = kCoreThreads + kFactorThreads;
constexpr int kPlaces = 128, kDepth = 8;
constexpr int kQuadColumns = 4, kQuadRows = kPlaces / kQuadColumns; // of a block over columns

/// Four neighbours from number `first` on; where they straddle the generator's blocks, one by one.
__device__ __forceinline__ void four_elements(const RandomSource& source, u64 first, bool aligned, float (&x)[4])
{
    if (aligned) {
        consecutive_elements<4>(source, first, x);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = single_element(source, first + i);
    }
}

/// What a block has of the output: over rows the places first … of a row; over columns columns j … times rows r ….
struct Places {
    i64 first, j, r;

    static __device__ __forceinline__ Places of(const CoreExpansionArguments& p, i64 index)
    {
        if (!p.over_columns) {
            return {index * kPlaces, 0, 0};
        }
        const i64 across = (p.core.rows + kQuadRows - 1) / kQuadRows, down = divide(index, across);
        return {0, down * kQuadColumns, (index - down * across) * kQuadRows};
    }
};

/// The scales of four elements along the contracted dimension: neighbours from `first` on over columns; over rows that of each row of the
/// core among the places n ….
__device__ __forceinline__ void load_inner(const CoreExpansionArguments& p, i64 first, i64 n, i64 left, float (&scale)[4])
{
    const i64 row = divide(n, p.core.columns), column = n - row * p.core.columns;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        scale[i] = 1.0f;
        if (p.inner != nullptr && i < left) {
            const i64 rows_on = p.core.columns >= 4 ? column + i >= p.core.columns : divide(column + i, p.core.columns);
            scale[i] = p.inner[first + (p.over_columns ? i : row + rows_on)];
        }
    }
}

/// One k of the block's places, scaled along the contracted dimension, by one warp; zero outside.
__device__ __forceinline__ void generate_core(const CoreExpansionArguments& p, const Places& at, i64 k, int lane, float* row)
{
    const bool over = p.over_columns;
    const i64 r = at.r + lane, n = at.first + 4 * lane, j = at.j, count = p.rest * p.core.columns;
    const i64 first = over ? r * p.core.columns + k * p.rest + j : k * count + n;
    const i64 left = over ? (r < p.core.rows ? p.rest - j : 0) : count - n; // of the four, those that exist
    const bool inside = k < p.in && left > 0;
    float x[4] = {}, scale[4] = {};
    if (inside) {
        four_elements(p.core.source, static_cast<u64>(first), (over ? p.core.columns | p.rest : count) % 4 == 0, x);
    }
    ptx::griddepcontrol_wait(); // the scales are another kernel's
    if (inside) {
        load_inner(p, over ? k * p.rest + j : k * p.rest, over ? 0 : n, left, scale);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = inside && i < left ? x[i] * scale[i] : 0.0f;
    }
    if (over) {
#pragma unroll
        for (int i = 0; i < kQuadColumns; ++i) {
            row[i * kQuadRows + lane] = x[i];
        }
    } else {
        *reinterpret_cast<float4*>(row + 4 * lane) = make_float4(x[0], x[1], x[2], x[3]);
    }
}

/// F of eight k and the block's outputs, f[k][o]; zero outside.
__device__ __forceinline__ void generate_factor(const CoreExpansionArguments& p, i32 first_out, i32 k, int thread, float* f)
{
    const bool aligned = p.in_step == 1 && p.in % 4 == 0;
#pragma unroll 1
    for (i32 index = thread; index < kOuts * (kDepth / 4); index += kFactorThreads) {
        const i32 o = index % kOuts, in = k + index / kOuts * 4;
        const u64 first = static_cast<u64>(first_out + o) * p.out_step + static_cast<u64>(in) * p.in_step;
        float x[4] = {};
        if (first_out + o < p.out && in < p.in) {
            if (aligned) {
                consecutive_elements<4>(p.factor, first, x);
            } else {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    x[i] = in + i < p.in ? single_element(p.factor, first + static_cast<u64>(i) * p.in_step) : 0.0f;
                }
            }
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            f[(in - k + i) * kOuts + o] = x[i];
        }
    }
}

/// Rounds and writes eight neighbours, of which `count` exist.
template <int DType>
__device__ __forceinline__ void write_eight(typename Element<DType>::Storage* to, bool whole, i64 count, const float (&x)[8])
{
    using E = Element<DType>;
    if (!whole) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            if (i < count) {
                to[i] = E::encode(x[i]);
            }
        }
    } else if constexpr (DType == kFloat32) {
        *reinterpret_cast<float4*>(to) = make_float4(x[0], x[1], x[2], x[3]);
        *reinterpret_cast<float4*>(to + 4) = make_float4(x[4], x[5], x[6], x[7]);
    } else {
        *reinterpret_cast<uint4*>(to) =
            make_uint4(E::encode2(x[0], x[1]), E::encode2(x[2], x[3]), E::encode2(x[4], x[5]), E::encode2(x[6], x[7]));
    }
}

/// Where a thread's eight places begin in row o of the output, how long that row is, and how many of the places exist.
struct Target {
    i64 offset, row, count;
    float scale[8]; // alpha and the outer scale

    static __device__ __forceinline__ Target of(const CoreExpansionArguments& p, const Places& at, int place)
    {
        Target target;
        i64 first;
        if (p.over_columns) {
            const i64 j = at.j + place / kQuadRows;
            first = at.r + place % kQuadRows;
            target.row = p.rest * p.core.rows;
            target.offset = j * p.core.rows + first;
            target.count = j < p.rest ? p.core.rows - first : 0;
        } else {
            target.row = p.rest * p.core.columns;
            target.offset = at.first + place;
            target.count = target.row - target.offset;
            first = target.offset - divide(target.offset, p.core.columns) * p.core.columns;
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            target.scale[i] = p.alpha;
            if (p.outer != nullptr && i < target.count) {
                const i64 at_i = first + i;
                target.scale[i] *= p.outer[p.over_columns || at_i < p.core.columns ? at_i : p.core.columns >= 8 ? at_i - p.core.columns : at_i % p.core.columns];
            }
        }
        return target;
    }
};

/// Eight k of a thread's places and outputs.
__device__ __forceinline__ void accumulate(const float* g, const float* f, float (&sum)[kOutTiles][8])
{
#pragma unroll
    for (int i = 0; i < kDepth; ++i) {
        const float4 low = *reinterpret_cast<const float4*>(g + i * kPlaces), high = *reinterpret_cast<const float4*>(g + i * kPlaces + 4);
        const float x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int t = 0; t < kOutTiles; ++t) {
            const float factor = f[i * kOuts + t * kOutTile];
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                sum[t][e] = fmaf(factor, x[e], sum[t][e]);
            }
        }
    }
}

/// Scales, rounds and writes a thread's places of its outputs, which begin at `own`.
__device__ __forceinline__ void write_places(const CoreExpansionArguments& p, const Target& target, i64 own, float (&sum)[kOutTiles][8])
{
    const bool aligned = reinterpret_cast<u64>(p.output) % 16 == 0 && (target.row | target.offset) % 8 == 0 && target.count >= 8;
#pragma unroll
    for (int t = 0; t < kOutTiles; ++t) {
        const i64 o = own + t * kOutTile;
        if (o < p.out) {
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                sum[t][e] *= target.scale[e];
            }
            write_eight<TERA_DTYPE>(p.output + o * target.row + target.offset, aligned, target.count, sum[t]);
        }
    }
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::kExpansionThreads) core_expansion(const __grid_constant__ tera::gemm::CoreExpansionArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];
    auto* g = reinterpret_cast<float*>(shared); // [kDepth][kPlaces]
    float* f = g + kDepth * kPlaces;            // [kDepth][kOuts]

    const Places at = Places::of(p, blockIdx.x);
    const i32 first_out = blockIdx.y * kOuts;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool core = threadIdx.x < kCoreThreads; // the others make F, and have no places
    const int place = threadIdx.x % (kPlaces / 8) * 8, own = threadIdx.x / (kPlaces / 8);
    float sum[kOutTiles][8] = {};
    for (i32 k = 0; k < p.in; k += kDepth) {
        __syncthreads();
        if (core) {
            generate_core(p, at, k + warp, lane, g + warp * kPlaces);
        } else {
            generate_factor(p, first_out, k, threadIdx.x - kCoreThreads, f);
        }
        __syncthreads();
        if (core) {
            accumulate(g + place, f + own, sum);
        }
    }
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    if (core) {
        write_places(p, Target::of(p, at, place), first_out + own, sum);
    }
}
