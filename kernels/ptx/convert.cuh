// Conversions between float32 and the narrow formats, sm_80 and later; every rounding is to nearest, ties to even, unless the
// name says otherwise. One instruction a function; 16-bit values travel as unsigned short, pairs as unsigned (first in the low half).
// https://docs.nvidia.com/cuda/parallel-thread-execution/#data-movement-and-conversion-instructions-cvt
#pragma once

namespace tera::ptx {

/// float32 → bfloat16.
__device__ __forceinline__ unsigned short cvt_bf16_f32(float x)
{
    unsigned short d;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(d) : "f"(x));
    return d;
}

/// Two float32 → two bfloat16, `low` in the low half.
__device__ __forceinline__ unsigned cvt_bf16x2_f32(float low, float high)
{
    unsigned d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

/// bfloat16 → float32, exact: the bits are the upper half.
__device__ __forceinline__ float cvt_f32_bf16(unsigned short x)
{
    return __uint_as_float(static_cast<unsigned>(x) << 16);
}

/// float32 → float16; too large becomes infinity.
__device__ __forceinline__ unsigned short cvt_f16_f32(float x)
{
    unsigned short d;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(d) : "f"(x));
    return d;
}

/// Two float32 → two float16, `low` in the low half.
__device__ __forceinline__ unsigned cvt_f16x2_f32(float low, float high)
{
    unsigned d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

/// float16 → float32, exact.
__device__ __forceinline__ float cvt_f32_f16(unsigned short x)
{
    float d;
    asm("cvt.f32.f16 %0, %1;" : "=f"(d) : "h"(x));
    return d;
}

} // namespace tera::ptx
