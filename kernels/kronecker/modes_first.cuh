// The first mode of kernels/kronecker/wgmma_modes.cu: the accumulators of the others, rounded once, are the A fragments of mma as they lie in the registers.
// What is written is rounded here, too, and added to what it goes to.
#pragma once

#include "kronecker/modes_config.cuh"
#include "ptx/mma.cuh"
#include "ptx/shared.cuh"

namespace tera {

/// Accumulators as A fragments of mma: the one rounding between the modes.
__device__ __forceinline__ void pack(const float (&d)[kRegisters], unsigned* a)
{
#pragma unroll
    for (int i = 0; i < kRegisters / 2; ++i) {
        a[i] = E::encode2(d[2 * i], d[2 * i + 1]);
    }
}

__device__ __forceinline__ void multiply_fragment(float (&d)[4], const unsigned (&a)[4], const uint2& b)
{
    const unsigned halves[2] = {b.x, b.y};
#if TERA_DTYPE == 1
    ptx::mma_m16n8k16_bf16(d, a, halves);
#else
    ptx::mma_m16n8k16_f16(d, a, halves);
#endif
}

/// The lane's fragments of F₁ for one group of eight o₁.
__device__ __forceinline__ void load_first(const Shared& s, int group, uint2 (&first)[kInBlocks])
{
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        first[k] = ptx::ld_shared_v2(s.first + ((k * kOutGroups + group) * 32 + threadIdx.x % 32) * 8);
    }
}

/// The first mode for one group of eight o₁ and two times eight rows of F: `upper` and `lower` are a row t's accumulators from half 0 (the upper
/// eight rows of the warp's sixteen) or half 1.
__device__ __forceinline__ void contract_first(const unsigned* upper, const unsigned* lower, const uint2 (&first)[kInBlocks], float (&r)[4])
{
    r[0] = r[1] = r[2] = r[3] = 0;
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        const unsigned a[4] = {upper[4 * k], lower[4 * k], kInPadded == 8 ? 0 : upper[4 * k + 2], kInPadded == 8 ? 0 : lower[4 * k + 2]};
        multiply_fragment(r, a, first[k]);
    }
}

__device__ __forceinline__ void contract_first(const unsigned* upper, const unsigned* lower, const uint2 (&first)[kInBlocks], float alpha, float (&r)[4])
{
    contract_first(upper, lower, first, r);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        r[i] *= alpha;
    }
}

/// Two neighbours, plus what is added to them.
__device__ __forceinline__ unsigned add_pair(float low, float high, unsigned added)
{
    return TERA_ADD ? E::encode2(low + E::decode(static_cast<unsigned short>(added)), high + E::decode(static_cast<unsigned short>(added >> 16))) : E::encode2(low, high);
}

/// Eight rows t, packed, plus what is added to them.
__device__ __forceinline__ uint4 add_word(const float (&value)[8], const uint4& added)
{
    return {add_pair(value[0], value[1], added.x), add_pair(value[2], value[3], added.y), add_pair(value[4], value[5], added.z), add_pair(value[6], value[7], added.w)};
}

} // namespace tera
