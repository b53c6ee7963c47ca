// Enough of CUDA to compile a kernel of this library for the host; the machine that runs it is machine.h's.
#pragma once

#include "emulated/machine.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __noinline__

struct uint2 {
    unsigned x, y;
};

struct uint4 {
    unsigned x, y, z, w;
};

struct float2 {
    float x, y;
};

struct float4 {
    float x, y, z, w;
};

struct ushort4 {
    unsigned short x, y, z, w;
};

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <class T, class U>
std::common_type_t<T, U> min(T a, U b)
{
    return b < a ? b : a;
}

template <class T, class U>
std::common_type_t<T, U> max(T a, U b)
{
    return a < b ? b : a;
}

/// The dynamic shared memory of the block that runs.
alignas(1024) extern unsigned char shared[emulated::kSharedBytes];

#define threadIdx (emulated::thread_index)
#define blockIdx (emulated::block_index)
#define gridDim (emulated::grid_size)
#define blockDim (emulated::block_size)

inline void __syncthreads() { emulated::sync_block(); }

inline void __syncwarp() { emulated::sync_warp(); }

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(unsigned x) { return std::countl_zero(x); }

/// Of shared memory; threads run one at a time.
inline unsigned atomicAdd(unsigned* address, unsigned value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }

inline float __shfl_xor_sync(unsigned, float value, int mask) { return emulated::shuffle_xor(value, mask); }
inline unsigned __shfl_xor_sync(unsigned, unsigned value, int mask) { return std::bit_cast<unsigned>(emulated::shuffle_xor(std::bit_cast<float>(value), mask)); }

inline int __shfl_sync(unsigned, int value, int lane) { return emulated::shuffle(value, lane); }

template <class T>
void __stcs(T* address, T value)
{
    *address = value;
}

template <class T>
T __ldg(const T* address)
{
    return *address;
}
