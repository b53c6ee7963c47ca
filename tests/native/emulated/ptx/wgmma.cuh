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

#define TERA_WGMMA(n, type, count) \
    template <int TransposeA, int TransposeB> \
    void wgmma_m64n##n##k16_##type(float (&d)[count], unsigned long long a, unsigned long long b, int scale_d) \
    { \
        emulated::wgmma(d, {a, b, TransposeA != 0, TransposeB != 0, scale_d != 0, count, cvt_f32_##type}); \
    }
TERA_WGMMA(64, bf16, 32)
TERA_WGMMA(64, f16, 32)
TERA_WGMMA(128, bf16, 64)
TERA_WGMMA(128, f16, 64)
TERA_WGMMA(192, bf16, 96)
TERA_WGMMA(192, f16, 96)
TERA_WGMMA(256, bf16, 128)
TERA_WGMMA(256, f16, 128)
#undef TERA_WGMMA

} // namespace tera::ptx
