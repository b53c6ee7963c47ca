// The compile-time configuration of a portable matrix product, from the macros that its launcher passes.
//
//   TERA_DTYPE              dtype of A and B
//   TERA_TRANSPOSED_A, _B   1: memory holds K×M (N×K) instead of M×K (K×N)
//   TERA_TILE_M, _N, _K     the block's tile of C, and the depth of one pipeline stage
//   TERA_WARPS_M, _N        how the block's warps share the tile
//   TERA_STAGES             slots of the pipeline
//   TERA_BLOCKS             matrix_product.cu's second product: 0 none, 1 its B is K×w in memory, 2 w×K
#pragma once

#include "common/dtype.cuh"
#include "gemm/tile_map.cuh"

#ifndef TERA_BLOCKS
#define TERA_BLOCKS 0
#endif

namespace tera::gemm {

/// Of a product whose operands' memory rows run along K, the summed index, or across it.
template <bool AlongKA, bool AlongKB>
struct ConfigOf {
    static constexpr int kDType = TERA_DTYPE;
    static constexpr bool kSingle = kDType == kFloat32;

    static constexpr bool kAlongKA = AlongKA;
    static constexpr bool kAlongKB = AlongKB;

    static constexpr int kTileM = TERA_TILE_M;
    static constexpr int kTileN = TERA_TILE_N;
    static constexpr int kTileK = TERA_TILE_K;
    static constexpr int kWarpsM = TERA_WARPS_M;
    static constexpr int kWarpsN = TERA_WARPS_N;
    static constexpr int kStages = TERA_STAGES;

    static constexpr int kThreads = kWarpsM * kWarpsN * 32;
    static constexpr int kWarpM = kTileM / kWarpsM;
    static constexpr int kWarpN = kTileN / kWarpsN;

    // Blocks that must fit on a multiprocessor: bounds the registers a thread may take.
    static constexpr int kBlocks = kThreads <= 128 ? 2 : 1;

    using Storage = typename Element<kDType>::Storage;
    using MapA = TileMap<kAlongKA, kTileM, kTileK, sizeof(Storage)>;
    using MapB = TileMap<kAlongKB, kTileN, kTileK, sizeof(Storage)>;
    static constexpr int kStageBytes = MapA::kBytes + MapB::kBytes;

    static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && kTileK % 16 == 0, "warp tiles are made of 16×16×16 products");
    static_assert(kStages >= 2, "a stage is computed while others load");
};

using Config = ConfigOf<TERA_TRANSPOSED_A == 0, TERA_TRANSPOSED_B == 1>;

} // namespace tera::gemm
