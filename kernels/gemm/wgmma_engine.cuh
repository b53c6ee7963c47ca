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
    constexpr unsigned long long swizzle_128 = 1ull << 62;
    constexpr unsigned long long leading = Transposed ? (kBoxBytes >> 4) : 1;
    constexpr unsigned long long stride = 1024 >> 4;
    return swizzle_128 | stride << 32 | leading << 16 | ((address & 0x3FFFF) >> 4);
}

/// Bytes from one 16-wide slice of K to the next inside a stage.
template <bool Transposed>
constexpr unsigned kSlice = Transposed ? 16 * 128 : 32;

/// D (64×N) = A·B + (scale_d ? D : 0) for one slice of K.
template <int DType, bool TransposedA, bool TransposedB, int Registers>
__device__ __forceinline__ void multiply_slice(float (&d)[Registers], unsigned long long a, unsigned long long b, int scale_d)
{
    static_assert(Registers == 64 || Registers == 128, "N is 128 or 256");
    if constexpr (DType == kBFloat16 && Registers == 128) {
        ptx::wgmma_m64n256k16_bf16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (DType == kBFloat16) {
        ptx::wgmma_m64n128k16_bf16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else if constexpr (Registers == 128) {
        ptx::wgmma_m64n256k16_f16<TransposedA, TransposedB>(d, a, b, scale_d);
    } else {
        ptx::wgmma_m64n128k16_f16<TransposedA, TransposedB>(d, a, b, scale_d);
    }
}

} // namespace tera
