// One warp's part of the block's tile of C: accumulators in registers, operands from shared memory by way of the tensor cores.
//
// 16-bit operands: ldmatrix and mma.m16n8k16, float32 accumulators throughout.
// float32 operands: every value is split exactly into three bfloat16 parts (split.cuh); six of the nine products of parts are
// multiplied (the three left out are below 2^-24 of the product), from the smallest to the largest, into an accumulator that starts
// at zero with every 16 of K and is then added to the sum by an ordinary, rounded float32 addition. So the tensor cores' truncation
// never meets the running sum. An infinite or NaN operand gives NaN; so do magnitudes above 3.39e38.
//
// Lane mapping of the accumulators: mma.cuh's C fragment, g = lane / 4, t = lane % 4.
#pragma once

#include "common/host_device.cuh"
#include "gemm/split.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mma.cuh"

namespace tera::gemm {

template <class C>
struct WarpTile {
    static constexpr int kRows = C::kWarpM / 16;
    static constexpr int kColumns = C::kWarpN / 8;

    float sum[kRows][kColumns][4];
    u32 lane, warp_m, warp_n; // the warp's first row and column in the block's tile

    __device__ __forceinline__ WarpTile()
        : lane(threadIdx.x % 32), warp_m(threadIdx.x / 32 / C::kWarpsN * C::kWarpM), warp_n(threadIdx.x / 32 % C::kWarpsN * C::kWarpN)
    {
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
#pragma unroll
            for (int j = 0; j < kColumns; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    sum[i][j][e] = 0.0f;
                }
            }
        }
    }

    /// Adds the product of one stage's tiles, which lie as the maps say.
    template <class MapA, class MapB>
    __device__ __forceinline__ void multiply(const unsigned char* a, const unsigned char* b)
    {
#pragma unroll
        for (int k = 0; k < C::kTileK; k += 16) {
            if constexpr (C::kSingle) {
                multiply_single<MapA, MapB>(a, b, k);
            } else {
                multiply_half<MapA, MapB>(ptx::shared_address(a), ptx::shared_address(b), k);
            }
        }
    }

    /// Calls visit(row, column, first, second) for every pair of neighbours in a row, in the coordinates of the block's tile.
    template <class Visit>
    __device__ __forceinline__ void for_each_pair(const Visit& visit) const
    {
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
#pragma unroll
                for (int j = 0; j < kColumns; ++j) {
                    visit(warp_m + i * 16 + half * 8 + lane / 4, warp_n + j * 8 + lane % 4 * 2, sum[i][j][2 * half], sum[i][j][2 * half + 1]);
                }
            }
        }
    }

private:
    template <class MapA, class MapB>
    __device__ __forceinline__ void multiply_half(u32 a, u32 b, int k)
    {
        u32 right[kColumns][2];
#pragma unroll
        for (int j = 0; j < kColumns; j += 2) {
            u32 both[4];
            load_half<MapB::kAlongK>(both, b + MapB::fragment_b(warp_n + j * 8, k, lane));
            right[j][0] = both[0];
            right[j][1] = both[1];
            right[j + 1][0] = both[2];
            right[j + 1][1] = both[3];
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            u32 left[4];
            load_half<MapA::kAlongK>(left, a + MapA::fragment_a(warp_m + i * 16, k, lane));
#pragma unroll
            for (int j = 0; j < kColumns; ++j) {
                if constexpr (C::kDType == kBFloat16) {
                    ptx::mma_m16n8k16_bf16(sum[i][j], left, right[j]);
                } else {
                    ptx::mma_m16n8k16_f16(sum[i][j], left, right[j]);
                }
            }
        }
    }

    template <bool AlongK>
    __device__ __forceinline__ static void load_half(u32 (&fragment)[4], u32 address)
    {
        if constexpr (AlongK) {
            ptx::ldmatrix_x4(fragment, address);
        } else {
            ptx::ldmatrix_x4_trans(fragment, address);
        }
    }

    template <class MapA, class MapB>
    __device__ __forceinline__ void multiply_single(const unsigned char* a, const unsigned char* b, int k)
    {
        const u32 g = lane / 4, t = lane % 4;
        u32 right[kColumns][3][2];
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const SplitPair pair = load_single<MapB>(b, warp_n + j * 8 + g, k + half * 8 + 2 * t);
#pragma unroll
                for (int part = 0; part < 3; ++part) {
                    right[j][part][half] = pair.part[part];
                }
            }
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            u32 left[3][4];
#pragma unroll
            for (int quarter = 0; quarter < 4; ++quarter) {
                const SplitPair pair = load_single<MapA>(
                    a, warp_m + i * 16 + (quarter & 1) * 8 + g, k + (quarter >> 1) * 8 + 2 * t);
#pragma unroll
                for (int part = 0; part < 3; ++part) {
                    left[part][quarter] = pair.part[part];
                }
            }
#pragma unroll
            for (int j = 0; j < kColumns; ++j) {
                add_split_product(sum[i][j], left, right[j]);
            }
        }
    }

    template <class Map>
    __device__ __forceinline__ static SplitPair load_single(const unsigned char* tile, u32 mn, u32 k)
    {
        if constexpr (Map::kAlongK) {
            const float2 pair = *reinterpret_cast<const float2*>(tile + Map::element(mn, k));
            return SplitPair::of(pair.x, pair.y);
        } else {
            return SplitPair::of(*reinterpret_cast<const float*>(tile + Map::element(mn, k)),
                                 *reinterpret_cast<const float*>(tile + Map::element(mn, k + 1)));
        }
    }

    __device__ __forceinline__ static void add_split_product(float (&to)[4], const u32 (&left)[3][4], const u32 (&right)[3][2])
    {
        float slab[4] = {};
        ptx::mma_m16n8k16_bf16(slab, left[2], right[0]);
        ptx::mma_m16n8k16_bf16(slab, left[0], right[2]);
        ptx::mma_m16n8k16_bf16(slab, left[1], right[1]);
        ptx::mma_m16n8k16_bf16(slab, left[1], right[0]);
        ptx::mma_m16n8k16_bf16(slab, left[0], right[1]);
        ptx::mma_m16n8k16_bf16(slab, left[0], right[0]);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            to[e] += slab[e];
        }
    }
};

} // namespace tera::gemm
