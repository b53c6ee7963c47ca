// The emulation of kernels/ptx/stmatrix.cuh, from the PTX ISA's definition.
#pragma once

#include "cuda.h"

namespace tera::ptx {

template <int Count>
void stmatrix(unsigned address, const unsigned (&values)[Count], bool transposed)
{
    emulated::Warp& warp = emulated::warp();
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    warp.words[lane][0] = address;
    emulated::wait(warp.barrier);
    for (unsigned i = 0; i < Count; ++i) {
        for (unsigned half = 0; half < 2; ++half) {
            const unsigned short value = static_cast<unsigned short>(values[i] >> 16 * half);
            const unsigned row = transposed ? 2 * t + half : g, column = transposed ? g : 2 * t + half;
            std::memcpy(shared + warp.words[i * 8 + row][0] + column * 2, &value, 2);
        }
    }
    emulated::wait(warp.barrier);
}

inline void stmatrix_x4(unsigned address, unsigned a, unsigned b, unsigned c, unsigned d) { stmatrix<4>(address, {a, b, c, d}, false); }
inline void stmatrix_x2_trans(unsigned address, unsigned a, unsigned b) { stmatrix<2>(address, {a, b}, true); }

} // namespace tera::ptx
