// Arithmetic for which the language has no exact word, all targets. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#integer-arithmetic-instructions-mul
// https://docs.nvidia.com/cuda/parallel-thread-execution/#floating-point-instructions-rsqrt (likewise -lg2, -sin, -cos)
#pragma once

namespace tera::ptx {

/// All 64 bits of a product. The compiler makes a 64-bit product of a widened factor, with an addition of what would have been its upper half.
__device__ __forceinline__ unsigned long long mul_wide_u32(unsigned a, unsigned b)
{
    unsigned long long product;
    asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
    return product;
}

/// 1/√x to 2^-22.9 of itself; subnormal x are zero.
__device__ __forceinline__ float rsqrt_approx(float x)
{
    float y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// log₂ x of a positive x, to 2^-22 in (0.5, 2), elsewhere to 2^-22 of itself.
__device__ __forceinline__ float lg2_approx(float x)
{
    float y;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// sin x to 2^-20.5 in [-2π, 2π].
__device__ __forceinline__ float sin_approx(float x)
{
    float y;
    asm("sin.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// cos x to 2^-20.5 in [-2π, 2π].
__device__ __forceinline__ float cos_approx(float x)
{
    float y;
    asm("cos.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

} // namespace tera::ptx
