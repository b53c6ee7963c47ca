// The B operand of a product with the core: tiles of scale[k]·G, generated in place, rounded once to the operands' dtype.
//
// Thread mapping: consecutive threads take consecutive groups of eight columns, then rows. The part of a tile outside G holds finite
// values of no meaning: along K they meet zeros of A, along N the results are dropped.
#pragma once

#include "gemm/core_values.cuh"

namespace tera::gemm {

template <class C, class TileMap>
struct CoreLoader {
    using Map = TileMap;
    using Storage = typename C::Storage;
    static constexpr int kGroups = Map::kColumns / 8;
    static constexpr int kRowStep = C::kThreads / kGroups;
    static_assert(C::kThreads % kGroups == 0 && Map::kRows % kRowStep == 0, "every thread keeps its columns");

    const Core& core;
    const float* scale; // along K, or null for ones
    i64 depth;          // length of K
    i64 origin;         // of the tile along N

    __device__ __forceinline__ void load(unsigned char* tile, i64 k) const
    {
        with_distribution(core, [&](auto tag) { fill<decltype(tag)::kValue>(tile, k); });
    }

private:
    template <int D>
    __device__ __forceinline__ void fill(unsigned char* tile, i64 k) const
    {
        const u32 column = threadIdx.x % kGroups * 8;
        const i64 s = (Map::kAlongK ? k : origin) + column;
        const i64 first_row = Map::kAlongK ? origin : k;
#pragma unroll 1
        for (u32 row = threadIdx.x / kGroups; row < Map::kRows; row += kRowStep) {
            const auto factor = [&](int i) { return scale_at(Map::kAlongK ? s + i : first_row + row); };
            visit_core<D>(
                core, first_row + row, s,
                [&](float(&values)[8]) {
#pragma unroll
                    for (int i = 0; i < 8; ++i) {
                        values[i] *= factor(i);
                    }
                    store(tile, row, column, values);
                },
                [&](int i, float value) { store_single(tile, row, column + i, value * factor(i)); });
        }
    }

    __device__ __forceinline__ float scale_at(i64 index) const
    {
        return scale == nullptr ? 1.0f : index < depth ? scale[index] : 0.0f;
    }

    __device__ __forceinline__ static void store(unsigned char* tile, u32 row, u32 column, const float (&values)[8])
    {
        if constexpr (sizeof(Storage) == 4) {
            *reinterpret_cast<float4*>(tile + Map::chunk(row, column / 4)) = make_float4(values[0], values[1], values[2], values[3]);
            *reinterpret_cast<float4*>(tile + Map::chunk(row, column / 4 + 1)) = make_float4(values[4], values[5], values[6], values[7]);
        } else {
            using E = Element<C::kDType>;
            *reinterpret_cast<uint4*>(tile + Map::chunk(row, column / 8)) =
                make_uint4(E::encode2(values[0], values[1]), E::encode2(values[2], values[3]),
                           E::encode2(values[4], values[5]), E::encode2(values[6], values[7]));
        }
    }

    __device__ __forceinline__ static void store_single(unsigned char* tile, u32 row, u32 column, float value)
    {
        const u32 at = Map::chunk(row, column / Map::kChunkElements) + column % Map::kChunkElements * Map::kElementBytes;
        *reinterpret_cast<Storage*>(tile + at) = Element<C::kDType>::encode(value);
    }
};

} // namespace tera::gemm
