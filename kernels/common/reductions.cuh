// Sums and maxima over a warp or a block in a fixed order: the same bits in every run.
#pragma once

#include "common/host_device.cuh"

namespace tera {

constexpr u32 kWholeWarp = 0xFFFFFFFFu;

/// The sum over a warp, in every lane.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        x += __shfl_xor_sync(kWholeWarp, x, distance);
    }
    return x;
}

/// The largest over a warp, in every lane; NaN loses against numbers.
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        x = fmaxf(x, __shfl_xor_sync(kWholeWarp, x, distance));
    }
    return x;
}

/// The sum over a block of Warps warps, in every thread. `scratch` holds a float for each warp and is free again on return.
template <int Warps>
__device__ __forceinline__ float block_sum(float x, float* scratch) {
    x = warp_sum(x);
    if constexpr (Warps > 1) {
        if (threadIdx.x % 32 == 0) {
            scratch[threadIdx.x / 32] = x;
        }
        __syncthreads();
        x = 0.0f;
#pragma unroll
        for (int warp = 0; warp < Warps; ++warp) {
            x += scratch[warp];
        }
        __syncthreads();
    }
    return x;
}

/// The largest over a block of Warps warps, in every thread; `scratch` as in block_sum.
template <int Warps>
__device__ __forceinline__ float block_max(float x, float* scratch) {
    x = warp_max(x);
    if constexpr (Warps > 1) {
        if (threadIdx.x % 32 == 0) {
            scratch[threadIdx.x / 32] = x;
        }
        __syncthreads();
        x = scratch[0];
#pragma unroll
        for (int warp = 1; warp < Warps; ++warp) {
            x = fmaxf(x, scratch[warp]);
        }
        __syncthreads();
    }
    return x;
}

}  // namespace tera
