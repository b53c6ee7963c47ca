// The emulation of kernels/ptx/mma.cuh, from the PTX ISA's fragment layouts; sums in float64, rounded once.
#pragma once

#include "cuda.h"
#include "ptx/convert.cuh"

namespace tera::ptx {

template <class Decode>
void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const Decode& decode)
{
    emulated::Warp& warp = emulated::warp();
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
        warp.words[lane][i] = a[i];
    }
    warp.words[lane][4] = b[0];
    warp.words[lane][5] = b[1];
    emulated::wait(warp.barrier);
    const auto half = [&](unsigned owner, unsigned word, unsigned k) {
        return static_cast<double>(decode(static_cast<unsigned short>(warp.words[owner][word] >> (16 * (k % 2)))));
    };
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned row = g + (i >= 2 ? 8 : 0), column = 2 * t + i % 2;
        double sum = d[i];
        for (unsigned k = 0; k < 16; ++k) {
            sum += half(row % 8 * 4 + k % 8 / 2, (row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0), k) * half(column * 4 + k % 8 / 2, 4 + (k >= 8 ? 1 : 0), k);
        }
        d[i] = static_cast<float>(sum);
    }
    emulated::wait(warp.barrier);
}

inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_m16n8k16(d, a, b, cvt_f32_bf16); }
inline void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_m16n8k16(d, a, b, cvt_f32_f16); }

} // namespace tera::ptx
