// What producer and consumers of kernels/gemm/wgmma_product.cu share: the arguments, the layout of shared memory, and the order in which tiles are walked.
#pragma once

#include "gemm/wgmma_engine.cuh"

namespace tera {

struct WgmmaProductArguments {
    ptx::TensorMap a;       // boxes 64 (K) × 128 rows, or 64 (M) × 64 (K) when transposed
    ptx::TensorMap b;       // boxes 64 (K) × tile columns, or 64 (N) × 64 (K) when K×N lies in memory
    ptx::TensorMap c;       // boxes 64 (N) × 64 rows
    ptx::TensorMap add;     // as c
    ptx::TensorMap block_a; // boxes 64 (k2) × 1 block × 128 rows
    ptx::TensorMap block_b; // as b
    const void* bias;        // N elements, or null
    const float* add_single; // M×N that are added to a float32 C, or null
    float* c_single;         // C when it is float32, or `parts` layers of it
    float alpha;
    int m, n, k;
    int part_length, parts; // of K; a multiple of the stage's depth
    int block_k, block_columns;
    int tiles_m, tiles_n;
    int group; // tile rows that are walked together, for the L2 cache
};

constexpr int kTileM = 128, kTileN = TERA_TILE_N;
constexpr int kStages = TERA_STAGES;
constexpr int kConsumers = 2;
constexpr bool kTransposedA = TERA_TRANSPOSED_A, kTransposedB = TERA_TRANSPOSED_B == 0; // in wgmma's sense: K is not contiguous
constexpr bool kBlocks = TERA_BLOCKS != 0, kTransposedB2 = TERA_BLOCKS == 1;
constexpr bool kAdd = TERA_ADD;
constexpr int kBytesA = kTileM * kDepth * 2, kBytesB = kTileN * kDepth * 2;
constexpr int kBoxes = kTileN / 64;                     // of a consumer's part of a tile
constexpr int kStagingBoxes = kBoxes % 2 == 0 ? 2 : kBoxes; // places that a consumer's boxes go through in turn
static_assert(kBoxes % kStagingBoxes == 0, "a box finds the place that was written kStagingBoxes boxes ago, in the tile before too");
constexpr int kAccumulators = kTileN / 2;
constexpr int kAddedBoxes = 1 + kBoxes / 2; // of a consumer, that a stage holds: one where A lies otherwise, the rest where B does

struct Shared {
    unsigned a, b, staging, full, empty;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.a = base;
    s.b = s.a + kStages * kBytesA;
    s.staging = s.b + kStages * kBytesB;
    s.full = s.staging + kConsumers * kStagingBoxes * kBoxBytes;
    s.empty = s.full + kStages * 8;
    return s;
}

/// A tile, or one part of its sum.
struct Item {
    int m, n, part, begin, end;
};

/// Tiles are walked in groups of tile rows, column by column, to and fro, so that the operands of tiles in flight stay in the L2 cache. The tiles of
/// one part stand together.
__device__ __forceinline__ Item item_of(int index, const WgmmaProductArguments& p)
{
    const int tiles = p.tiles_m * p.tiles_n, part = index / tiles, tile = index % tiles;
    const int in_group = p.group * p.tiles_n, group = tile / in_group, rest = tile % in_group;
    const int first = group * p.group, rows = min(p.group, p.tiles_m - first), begin = part * p.part_length;
    const int column = group % 2 == 0 ? rest / rows : p.tiles_n - 1 - rest / rows;
    return {(first + rest % rows) * kTileM, column * kTileN, part, begin, min(p.k, begin + p.part_length)};
}

/// Where a stage holds a consumer's box of the addend.
__device__ __forceinline__ unsigned added_box(unsigned a, unsigned b, int box, int consumer)
{
    return box == 0 ? a + consumer * kBoxBytes : b + (kConsumers * (box - 1) + consumer) * kBoxBytes;
}

} // namespace tera
