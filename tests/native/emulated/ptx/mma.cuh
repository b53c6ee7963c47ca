// The emulation of kernels/ptx/mma.cuh.
#pragma once

#include "cuda.h"
#include "ptx/convert.cuh"

namespace tera::ptx {

inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { emulated::multiply_fragments(d, a, b, cvt_f32_bf16); }
inline void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { emulated::multiply_fragments(d, a, b, cvt_f32_f16); }

} // namespace tera::ptx
