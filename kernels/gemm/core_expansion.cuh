// The regenerated core with the first mode of one side applied: a product F·G with both operands generated, scaled on both sides.
//   over rows:     output[o, n] = alpha · outer[n % S] · Σ_k F[o, k] · inner[k·rest + n / S] · G[k·N + n],       n = i·S + s < N = rest·S
//   over columns:  output[o·rest + j, r] = alpha · outer[r] · Σ_k F[o, k] · inner[k·rest + j] · G[r·S + k·rest + j]
//   G's elements by their number in their stream; F Out×In of another stream; everything float32 but the output (TERA_DTYPE).
//
// Mapping: a block has 128 places of the output's rows (over rows 128 neighbours n; over columns four j times 32 r, so that the generator's
// four neighbours along j and the output's along r both stay together) and kOuts rows o. Eight k at a time: each of eight warps generates
// the core's elements for one of them and finds the scales of its rows, one a lane, and an eighth of the places'; a ninth generates F.
// Only the scales are another kernel's, so all but reading them is done before the wait. Through shared memory every warp then gets all
// eight k of all places, four neighbours a lane, for every eighth row o. The sum runs over k in ascending order.
#pragma once

#include "common/quads.cuh"
#include "gemm/core_values.cuh"
#include "gemm/diagonal.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreExpansionArguments.
struct CoreExpansionArguments {
    Element<TERA_DTYPE>::Storage* output;
    Core core;
    RandomSource factor;
    Diagonal scale[2];     // kInner: of the dimension that F contracts; kOuter: of the other one
    i64 rest;              // the contracted dimension without its first mode
    i32 in, out;           // of F
    i32 in_step, out_step; // of F's numbering
    float alpha;
    i32 over_columns;
    WideDivisor columns;      // S
    WideDivisor across;       // over columns, the blocks that lie along the rows
    WideDivisor place_blocks; // those of the same rows o
    u32 blocks;           // all
};

constexpr int kInner = 0, kOuter = 1;
constexpr int kCoreWarps = 8, kDepth = kCoreWarps, kPlaces = 128;
constexpr int kOutSlots = 6, kOuts = kOutSlots * kCoreWarps;
constexpr int kQuadColumns = 4, kQuadRows = kPlaces / kQuadColumns; // of a block over columns
constexpr u32 kRowLanes = 16; // of a warp, that find scales of rows; the others find those of places
constexpr int kExpansionThreads = 32 * (kCoreWarps + 1);
constexpr int kInnerRows = kPlaces + 4; // rows of the core among 128 places, at most, and a few more for alignment

struct ExpansionMemory {
    float core[kDepth][kPlaces];
    float factor[kOuts][kDepth];
    float outer[kPlaces]; // times alpha
    float inner[kDepth][kInnerRows];
};

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

/// What a block has of the output: over rows the places first … of a row, which are columns `column` … of the core's row number `row`;
/// over columns columns `row` … times rows `column` … of the core: `row` is always along the dimension that F contracts.
struct Places {
    i64 first;
    u32 row, column;

    static __device__ __forceinline__ Places of(const CoreExpansionArguments& p, u32 index)
    {
        if (!p.over_columns) {
            const u32 first = index * kPlaces, row = p.columns.quotient(first);
            return {first, row, first - row * p.columns.value};
        }
        const u32 down = p.across.quotient(index);
        return {0, down * kQuadColumns, (index - down * p.across.value) * kQuadRows};
    }

    /// The rows of the core's, along the contracted dimension, that the places are in.
    __device__ __forceinline__ u32 rows(const CoreExpansionArguments& p) const
    {
        return p.over_columns ? kQuadColumns : p.columns.quotient(column + kPlaces - 1) + 1;
    }
};

/// One k of a lane's four places; zero outside.
__device__ __forceinline__ void generate_core(const CoreExpansionArguments& p, const Places& at, i64 k, int lane, float (&x)[4])
{
    const bool over = p.over_columns;
    const i64 r = static_cast<i64>(at.column) + lane, n = at.first + 4 * lane, count = p.rest * p.core.columns;
    const i64 first = over ? r * p.core.columns + k * p.rest + at.row : k * count + n;
    const i64 left = over ? (r < p.core.rows ? p.rest - at.row : 0) : count - n; // of the four, those that exist
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = 0.0f;
    }
    if (k < p.in && left > 0) {
        four_elements(p.core.source, static_cast<u64>(first), (over ? p.core.columns | p.rest : count) % 4 == 0, x);
#pragma unroll
        for (int i = 1; i < 4; ++i) {
            x[i] = i < left ? x[i] : 0.0f;
        }
    }
}

/// F of eight k and the block's outputs, by one warp; zero outside.
__device__ __forceinline__ void generate_factor(const CoreExpansionArguments& p, i32 first_out, i32 k, int lane, float (*f)[kDepth])
{
    const i32 outs = min(kOuts, p.out - first_out);
    const bool aligned = p.in_step == 1 && p.in % 4 == 0;
#pragma unroll 1
    for (i32 index = lane; index < outs * (kDepth / 4); index += 32) {
        const i32 o = index / (kDepth / 4), in = k + index % (kDepth / 4) * 4;
        const u64 first = static_cast<u64>(first_out + o) * p.out_step + static_cast<u64>(in) * p.in_step;
        float x[4] = {};
        if (in < p.in) {
            if (aligned) {
                consecutive_elements<4>(p.factor, first, x);
            } else {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    x[i] = in + i < p.in ? single_element(p.factor, first + static_cast<u64>(i) * p.in_step) : 0.0f;
                }
            }
        }
        *reinterpret_cast<float4*>(&f[o][in - k]) = make_float4(x[0], x[1], x[2], x[3]);
    }
}

/// One of the scales that a warp finds; zero outside.
struct ScaleEntry {
    float* to;
    int which;
    u32 index;
    bool mine, exists;

    /// For the first half of the lanes that of a row in one k, for the others that of a place, in the first round.
    static __device__ __forceinline__ ScaleEntry of(const CoreExpansionArguments& p, const Places& at, i32 k, int warp, u32 lane, ExpansionMemory& memory)
    {
        if (lane < kRowLanes) {
            return row(p, at, k, warp, lane, memory);
        }
        const u32 share = (p.over_columns ? kQuadRows : kPlaces) / kCoreWarps, place = warp * share + lane - kRowLanes, across = at.column + place;
        const bool exists = !p.over_columns || across < p.core.rows;
        const u32 index = p.over_columns ? across : across - p.columns.quotient(across) * p.columns.value;
        return {memory.outer + place, kOuter, exists ? index : 0, k == warp && lane - kRowLanes < share, exists};
    }

    static __device__ __forceinline__ ScaleEntry row(const CoreExpansionArguments& p, const Places& at, i32 k, int warp, u32 row, ExpansionMemory& memory)
    {
        const bool exists = k < p.in && at.row + row < p.rest;
        return {&memory.inner[warp][row], kInner, exists ? k * static_cast<u32>(p.rest) + at.row + row : 0, row < at.rows(p), exists};
    }

    __device__ __forceinline__ DiagonalElement find(const CoreExpansionArguments& p) const { return DiagonalElement::of(p.scale[which], index); }

    __device__ __forceinline__ void store(const CoreExpansionArguments& p, const DiagonalElement& element) const
    {
        if (mine) {
            *to = exists ? (which == kOuter ? p.alpha : 1.0f) * element.value() : 0.0f;
        }
    }
};

/// The rows' scales beyond the first sixteen, where rows are so short.
__device__ __forceinline__ void store_more_rows(const CoreExpansionArguments& p, const Places& at, i32 k, int warp, int lane, ExpansionMemory& memory)
{
    const u32 rows = at.rows(p);
#pragma unroll 1
    for (u32 row = kRowLanes + lane; row < rows; row += 32) {
        const ScaleEntry scale = ScaleEntry::row(p, at, k, warp, row, memory);
        scale.store(p, scale.find(p));
    }
}

/// A lane's elements of one k, scaled along the contracted dimension.
__device__ __forceinline__ void store_core(const CoreExpansionArguments& p, const Places& at, int k, int lane, const float (&x)[4], ExpansionMemory& memory)
{
    if (p.over_columns) {
#pragma unroll
        for (int i = 0; i < kQuadColumns; ++i) {
            memory.core[k][i * kQuadRows + lane] = x[i] * memory.inner[k][i];
        }
        return;
    }
    const u32 columns = p.columns.value, from = at.column + 4 * lane, row = p.columns.quotient(from), column = from - row * columns;
    float scaled[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        scaled[i] = x[i] * memory.inner[k][row + (columns >= 4 ? column + i >= columns : p.columns.quotient(column + i))];
    }
    *reinterpret_cast<float4*>(&memory.core[k][4 * lane]) = make_float4(scaled[0], scaled[1], scaled[2], scaled[3]);
}

/// Eight k of a lane's places, for every eighth of the block's outputs from number `own` on.
__device__ __forceinline__ void accumulate(const ExpansionMemory& memory, int own, i32 outs, int lane, float (&sum)[kOutSlots][4])
{
#pragma unroll
    for (int k = 0; k < kDepth; k += 4) {
        float x[4][4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float4 g = *reinterpret_cast<const float4*>(&memory.core[k + i][4 * lane]);
            x[i][0] = g.x, x[i][1] = g.y, x[i][2] = g.z, x[i][3] = g.w;
        }
#pragma unroll
        for (int t = 0; t < kOutSlots; ++t) {
            const int o = own + t * kCoreWarps;
            if (o < outs) {
                const float4 four = *reinterpret_cast<const float4*>(&memory.factor[o][k]);
                const float f[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
                for (int i = 0; i < 4; ++i) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        sum[t][e] = fmaf(f[i], x[i][e], sum[t][e]);
                    }
                }
            }
        }
    }
}

/// Scales, rounds and writes a lane's places of every eighth of the block's outputs.
__device__ __forceinline__ void write_places(
    const CoreExpansionArguments& p, const Places& at, i32 first_out, int own, int lane, const ExpansionMemory& memory, float (&sum)[kOutSlots][4])
{
    const int place = 4 * lane;
    i64 row, offset, count; // of an output; of the places in it; and those that exist
    if (p.over_columns) {
        const i64 j = static_cast<i64>(at.row) + place / kQuadRows, r = static_cast<i64>(at.column) + place % kQuadRows;
        row = p.rest * p.core.rows;
        offset = j * p.core.rows + r;
        count = j < p.rest ? p.core.rows - r : 0;
    } else {
        row = p.rest * p.core.columns;
        offset = at.first + place;
        count = row - offset;
    }
    const float4 scale = *reinterpret_cast<const float4*>(memory.outer + (p.over_columns ? place % kQuadRows : place));
    const bool aligned = reinterpret_cast<u64>(p.output) % 16 == 0 && (row | offset) % 4 == 0;
#pragma unroll
    for (int t = 0; t < kOutSlots; ++t) {
        const i64 o = first_out + own + t * kCoreWarps;
        if (o < p.out) {
            const float x[4] = {sum[t][0] * scale.x, sum[t][1] * scale.y, sum[t][2] * scale.z, sum[t][3] * scale.w};
            write_quad<TERA_DTYPE>(p.output, o * row + offset, count, aligned, x);
        }
    }
}

/// What block number `block` of p.blocks has of the output.
__device__ __forceinline__ void expand_core(const CoreExpansionArguments& p, u32 block, ExpansionMemory& memory)
{
    const u32 tile = p.place_blocks.quotient(block);
    const i32 first_out = static_cast<i32>(tile) * kOuts;
    const Places at = Places::of(p, block - tile * p.place_blocks.value);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool core = warp < kCoreWarps; // the last one makes F, and has no places
    float sum[kOutSlots][4] = {};
    for (i32 k = 0; k < p.in; k += kDepth) {
        if (k > 0) {
            __syncthreads(); // the sums of the last eight k have read what now changes
        }
        if (core) {
            float x[4];
            generate_core(p, at, k + warp, lane, x);
            const ScaleEntry scale = ScaleEntry::of(p, at, k + warp, warp, lane, memory);
            const DiagonalElement element = scale.find(p);
            ptx::griddepcontrol_wait();
            scale.store(p, element);
            store_more_rows(p, at, k + warp, warp, lane, memory);
            __syncwarp();
            store_core(p, at, warp, lane, x, memory);
        } else {
            generate_factor(p, first_out, k, lane, memory.factor);
        }
        __syncthreads();
        if (core) {
            accumulate(memory, warp, p.out - first_out, lane, sum);
        }
    }
    ptx::griddepcontrol_wait();
    if (core) {
        write_places(p, at, first_out, warp, lane, memory, sum);
    }
}

} // namespace tera::gemm
