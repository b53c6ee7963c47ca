// The emulation of kernels/ptx/wgmma.cuh: operands behind descriptors with the 128-byte swizzle.
#pragma once

#include "convert.cuh"
#include "cuda.h"

namespace tera::ptx {

inline void wgmma_fence() { emulated::wgmma_fence(); }
inline void wgmma_commit_group() { emulated::wgmma_commit(); }

template <int Pending>
void wgmma_wait_group()
{
    emulated::wgmma_wait(Pending);
}

template <int TransposeA, int TransposeB>
void wgmma_m64n256k16_bf16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 128, cvt_f32_bf16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n256k16_f16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 128, cvt_f32_f16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n192k16_bf16(float (&d)[96], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 96, cvt_f32_bf16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n192k16_f16(float (&d)[96], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 96, cvt_f32_f16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n128k16_bf16(float (&d)[64], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 64, cvt_f32_bf16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n128k16_f16(float (&d)[64], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 64, cvt_f32_f16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n64k16_bf16(float (&d)[32], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 32, cvt_f32_bf16});
}

template <int TransposeA, int TransposeB>
void wgmma_m64n64k16_f16(float (&d)[32], unsigned long long a, unsigned long long b, int scale_d)
{
    emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, 32, cvt_f32_f16});
}

} // namespace tera::ptx
