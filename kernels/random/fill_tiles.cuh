// output[i] = scale · element i of a factor (fill.cuh), for many normals of 16 bits, by whole blocks of kTileThreads threads: a block of threads rounds approximations
// (rounded_normals.cuh), keeps the few numbers whose bits these leave in doubt in a list, and makes all of the list by the exact formula together: alone, each
// would take its whole warp along. The bits are fill.cuh's.
#pragma once

#include "random/fill.cuh"
#include "random/rounded_normals.cuh"

namespace tera {

constexpr u32 kTileThreads = 256;
constexpr u32 kThreadBlocks = 8;  // of four normals, the unit of everything below; they lie a block of threads apart
constexpr u32 kTileBlocks = kTileThreads * kThreadBlocks;

/// The numbers of a tile's blocks that have to be made by the exact formula, in any order. In shared memory.
struct Doubts {
    u32 count;
    u16 blocks[kTileBlocks];
};

/// Stores those of a thread's blocks in a full tile of which the bits are sure, and returns a bit for each of the others, the first block's the uppermost.
template <int DType, bool Scaled>
__device__ __forceinline__ u32 fill_sure(const FillRandomArguments& p, u32 first)
{
    uint2* const output = reinterpret_cast<uint2*>(p.output) + first;
    u32 doubtful = 0;
#pragma unroll
    for (u32 i = 0; i < kThreadBlocks; ++i) {
        uint2 rounded;
        if (round_normals<DType, Scaled>(random_block(p.source, first + i * kTileThreads, 0u), p.scale, rounded)) {
            output[i * kTileThreads] = rounded;
        } else {
            doubtful |= 1u << (kThreadBlocks - 1 - i);
        }
    }
    return doubtful;
}

/// A bit for each of a thread's blocks that a last, shorter tile has.
__device__ __forceinline__ u32 blocks_left(u32 first, u32 blocks)
{
    u32 bits = 0;
    for (u32 i = 0; i < kThreadBlocks; ++i) {
        bits = bits << 1 | (first + i * kTileThreads < blocks);
    }
    return bits;
}

/// Adds a thread's doubtful blocks to the list.
__device__ __forceinline__ void list_doubts(Doubts& doubts, u32 bits)
{
    if (bits != 0) {
        u32 place = atomicAdd(&doubts.count, static_cast<u32>(__popc(bits)));
        do {
            const u32 leading = __clz(bits);
            doubts.blocks[place++] = static_cast<u16>((leading - (32 - kThreadBlocks)) * kTileThreads + threadIdx.x);
            bits ^= 0x80000000u >> leading;
        } while (bits != 0);
    }
}

/// A block by the exact formula.
template <int DType, bool Scaled>
__device__ __forceinline__ void fill_exactly(const FillRandomArguments& p, u32 block)
{
    float x[4];
    Factor<kNormal>::consecutive(p.source, block, x);
#pragma unroll
    for (int j = 0; Scaled && j < 4; ++j) {
        x[j] = mul_rn(x[j], p.scale);
    }
    reinterpret_cast<uint2*>(p.output)[block] = make_uint2(Element<DType>::encode2(x[0], x[1]), Element<DType>::encode2(x[2], x[3]));
}

/// Tiles of the factor, one grid after another, and the last one to three normals.
template <int DType, bool Scaled>
__device__ __forceinline__ void fill_tiles(const FillRandomArguments& p, Doubts& doubts)
{
    const u32 blocks = static_cast<u32>(p.count / 4), tiles = (blocks + kTileBlocks - 1) / kTileBlocks;
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const u32 start = tile * kTileBlocks, first = start + threadIdx.x;
        if (threadIdx.x == 0) {
            doubts.count = 0;
        }
        const u32 doubtful = blocks - start >= kTileBlocks ? fill_sure<DType, Scaled>(p, first) : blocks_left(first, blocks);
        __syncthreads();
        list_doubts(doubts, doubtful);
        __syncthreads();
        for (u32 i = threadIdx.x; i < doubts.count; i += kTileThreads) {
            fill_exactly<DType, Scaled>(p, start + doubts.blocks[i]);
        }
        if (tile + gridDim.x < tiles) {
            __syncthreads();  // the list starts anew
        }
    }
    if (blockIdx.x == 0 && threadIdx.x < p.count % 4) {
        const u64 i = blocks * 4ull + threadIdx.x;
        p.output[i] = Element<DType>::encode(mul_rn(Factor<kNormal>::element(p.source, i), p.scale));
    }
}

}  // namespace tera
