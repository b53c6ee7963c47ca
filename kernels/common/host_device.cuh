// What lets one header be compiled by NVRTC, by nvcc and by a host compiler: qualifiers, integer names, and float operations that are
// rounded once, to nearest even, whatever the compiler's options say (no contraction, no flush to zero, no approximate square root).
#pragma once

#if defined(__CUDACC_RTC__)
#define TERA_HOST_DEVICE __device__ __forceinline__
#elif defined(__CUDACC__)
#define TERA_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define TERA_HOST_DEVICE inline
#endif

// Before a loop whose trip count is known: unroll it in device code; host compilers decide for themselves.
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define TERA_UNROLL _Pragma("unroll")
#else
#define TERA_UNROLL
#endif

#if defined(__CUDA_ARCH__)
#include "ptx/arithmetic.cuh"
#endif

namespace tera {

using u16 = unsigned short;
using u32 = unsigned int;
using i32 = int;
using u64 = unsigned long long;
using i64 = long long;

/// a / b of two that are not negative, by the short division where that is possible.
TERA_HOST_DEVICE i64 divide(i64 a, i64 b)
{
    return ((a | b) >> 32) == 0 ? static_cast<i64>(static_cast<u32>(a) / static_cast<u32>(b)) : a / b;
}

/// All 64 bits of a·b.
TERA_HOST_DEVICE u64 mul_wide(u32 a, u32 b)
{
#if defined(__CUDA_ARCH__)
    return ptx::mul_wide_u32(a, b);
#else
    return static_cast<u64>(a) * b;
#endif
}

/// The bits of x.
TERA_HOST_DEVICE u32 float_bits(float x)
{
#if defined(__CUDA_ARCH__)
    return __float_as_uint(x);
#else
    return __builtin_bit_cast(u32, x);
#endif
}

/// The float32 with these bits.
TERA_HOST_DEVICE float bits_float(u32 x)
{
#if defined(__CUDA_ARCH__)
    return __uint_as_float(x);
#else
    return __builtin_bit_cast(float, x);
#endif
}

/// a·b + c, rounded once.
TERA_HOST_DEVICE float fma_rn(float a, float b, float c)
{
#if defined(__CUDA_ARCH__)
    return __fmaf_rn(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}

/// a·b, never fused with an addition around it.
TERA_HOST_DEVICE float mul_rn(float a, float b)
{
#if defined(__CUDA_ARCH__)
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}

/// a + b, never fused with a multiplication before it.
TERA_HOST_DEVICE float add_rn(float a, float b)
{
#if defined(__CUDA_ARCH__)
    return __fadd_rn(a, b);
#else
    return a + b;
#endif
}

/// √a, correctly rounded.
TERA_HOST_DEVICE float sqrt_rn(float a)
{
#if defined(__CUDA_ARCH__)
    return __fsqrt_rn(a);
#else
    return __builtin_sqrtf(a);
#endif
}

/// √a, correctly rounded, of 0 and of 2⁻²⁴ to 2⁶: sqrt_rn without its way out for extreme numbers. One step of Newton's from the approximate reciprocal root is
/// right for every number of the generator (the GPU tests compare all 2³² of them).
TERA_HOST_DEVICE float sqrt_rn_moderate(float a)
{
#if defined(__CUDA_ARCH__)
    const float y = ptx::rsqrt_approx(add_rn(a, 0x1p-60f)), root = mul_rn(a, y);  // the addend is nothing beside a, and keeps y finite beside 0
    return fma_rn(fma_rn(-root, root, a), mul_rn(y, 0.5f), root);
#else
    return sqrt_rn(a);
#endif
}

/// The float32 nearest to x, ties to even.
TERA_HOST_DEVICE float to_float_rn(u32 x)
{
#if defined(__CUDA_ARCH__)
    return __uint2float_rn(x);
#else
    return static_cast<float>(x);
#endif
}

/// The float32 nearest to x, ties to even.
TERA_HOST_DEVICE float to_float_rn(i32 x)
{
#if defined(__CUDA_ARCH__)
    return __int2float_rn(x);
#else
    return static_cast<float>(x);
#endif
}

}  // namespace tera
