// What all warp-specialised kernels of Hopper share: the ring of stages between producer and consumers, matrix descriptors of
// swizzled operands, and the multiplication of one 16-wide slice. Policies (where operands come from, what becomes of a tile) are the kernels'.
//
// Shared-memory operands lie in boxes of rows of 128 bytes with the 128-byte swizzle: the 16-byte chunk c of row r is at chunk c ^ (r & 7).
#pragma once

#include "common/dtype.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/stmatrix.cuh"
#include "ptx/tma.cuh"
#include "ptx/warpgroup.cuh"
#include "ptx/wgmma.cuh"

namespace tera {

constexpr int kBoxBytes = 64 * 128;  // 64 rows of 128 bytes: a 64×64 box of 16-bit elements

/// Position in a ring of stages; the parity flips with each lap.
template <int Stages>
struct Ring {
    int stage = 0;
    unsigned parity = 0;
    __device__ __forceinline__ void advance()
    {
        if (++stage == Stages) {
            stage = 0;
            parity ^= 1;
        }
    }
};

/// Byte of 16-byte chunk `chunk` of row `row` in a swizzled box that starts at a multiple of 1024.
__device__ __forceinline__ unsigned swizzled(unsigned row, unsigned chunk)
{
    return row * 128 + ((chunk ^ (row & 7)) << 4);
}

/// The matrix descriptor of a swizzled operand. K contiguous: groups of eight rows are 1024 bytes apart. M or N contiguous
/// (Transposed): groups of eight K are 1024 bytes apart and the next 64 columns lie one box on.
template <bool Transposed>
__device__ __forceinline__ unsigned long long descriptor(unsigned address)
{
    constexpr unsigned swizzle_128 = 1u << 30, leading = Transposed ? (kBoxBytes >> 4) : 1, stride = 1024 >> 4;
    const unsigned low = leading << 16 | (address & 0x3FFFF) >> 4; // in a cluster the upper bits of an address say whose it is
    return static_cast<unsigned long long>(swizzle_128 | stride) << 32 | low;
}

/// The descriptor of what lies `bytes` further on: no carry leaves the low word.
__device__ __forceinline__ unsigned long long moved(unsigned long long descriptor, unsigned bytes)
{
    const unsigned low = static_cast<unsigned>(descriptor) + (bytes >> 4);
    return descriptor & ~0xFFFFFFFFull | low;
}

/// Bytes from one 16-wide slice of K to the next inside a stage.
template <bool Transposed>
constexpr unsigned kSlice = Transposed ? 16 * 128 : 32;

/// D (64×N) = A·B + (scale_d ? D : 0) for one slice of K.
template <int DType, bool TransposedA, bool TransposedB, int Registers>
__device__ __forceinline__ void multiply_slice(float (&d)[Registers], unsigned long long a, unsigned long long b, int scale_d)
{
    static_assert(Registers == 64 || Registers == 96 || Registers == 128, "N is 128, 192 or 256");
    if constexpr (DType == kBFloat16 && Registers == 128) {
        ptx::wgmma_m64n256k16_bf16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (DType == kBFloat16 && Registers == 96) {
        ptx::wgmma_m64n192k16_bf16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (DType == kBFloat16) {
        ptx::wgmma_m64n128k16_bf16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (Registers == 128) {
        ptx::wgmma_m64n256k16_f16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (Registers == 96) {
        ptx::wgmma_m64n192k16_f16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else {
        ptx::wgmma_m64n128k16_f16<TransposedA, TransposedB>(d, a, b, scale_d);
    }
}

constexpr int kDepth = 64; // of a stage: the elements of a swizzled row

/// D += A·B over one stage. The first stage of a tile starts at zero.
template <int DType, bool TransposedA, bool TransposedB, int Registers>
__device__ __forceinline__ void multiply_stage(float (&d)[Registers], unsigned a, unsigned b, bool first)
{
    const unsigned long long da = descriptor<TransposedA>(a), db = descriptor<TransposedB>(b);
#pragma unroll
    for (int i = 0; i < kDepth / 16; ++i) {
        multiply_slice<DType, TransposedA, TransposedB>(d, moved(da, i * kSlice<TransposedA>), moved(db, i * kSlice<TransposedB>), !first || i > 0);
    }
}

/// Asks the copy engine for one operand's part of a stage: Extent rows (along M or N) from `row` on, 64 of K from `k` on. With K contiguous
/// that is one box; otherwise boxes of 64 along M or N, which is how far the swizzle reaches.
template <int Extent, bool Transposed>
__device__ __forceinline__ void load_operand(unsigned to, const ptx::TensorMap* map, int row, int k, unsigned barrier)
{
    if constexpr (Transposed) {
#pragma unroll
        for (int i = 0; i < Extent / 64; ++i) {
            ptx::cp_async_bulk_tensor_2d_load(to + i * kBoxBytes, map, row + 64 * i, k, barrier);
        }
    } else {
        ptx::cp_async_bulk_tensor_2d_load(to, map, k, row, barrier);
    }
}

/// The barriers of a ring: the producer's one arrival and the bytes that it announces fill a stage, one arrival of each consumer empties it.
/// One thread calls it; fence_barriers and a block barrier come before the first use.
template <int Stages>
__device__ __forceinline__ void init_ring(unsigned full, unsigned empty, unsigned consumers)
{
#pragma unroll
    for (int i = 0; i < Stages; ++i) {
        ptx::mbarrier_init(full + i * 8, 1);
        ptx::mbarrier_init(empty + i * 8, consumers);
    }
}

/// Shows initialised barriers to the copy engine.
__device__ __forceinline__ void fence_barriers()
{
    ptx::fence_mbarrier_init();
    ptx::fence_proxy_async();
}

/// Splits the block into a producer, one thread of the first warpgroup, and consumers, a warpgroup each. Moving addresses takes hardly
/// any registers: what the first warpgroup gives back holds the consumers' accumulators.
template <int ConsumerRegisters, class Produce, class Consume>
__device__ __forceinline__ void specialise(const Produce& produce, const Consume& consume)
{
    const int warpgroup = __shfl_sync(0xFFFFFFFF, threadIdx.x / 128, 0); // the compiler then knows that it is the same in all lanes
    if (warpgroup == 0) {
        ptx::setmaxnreg_dec<24>();
        if (threadIdx.x == 0) {
            produce();
        }
    } else {
        ptx::setmaxnreg_inc<ConsumerRegisters>();
        consume(warpgroup - 1);
    }
}

/// Where the boxes of 64×64 results lie that a warp of a consumer moves between registers and a swizzled box by stmatrix and ldmatrix:
/// the lane's row, and which of two neighbouring chunks it addresses.
struct BoxLane {
    int row, half;

    __device__ __forceinline__ static BoxLane of_thread()
    {
        const int thread = threadIdx.x % 128, lane = thread % 32;
        return {thread / 32 * 16 + (lane & 15), lane >> 4};
    }

    /// Of chunks j and j + 1, j even.
    __device__ __forceinline__ unsigned address(unsigned box, int j) const { return box + swizzled(row, j + half); }
};

} // namespace tera
