// The emulation of kernels/ptx/ldmatrix.cuh, from the PTX ISA's definition.
#pragma once

#include "check.h"
#include "cuda.h"

namespace tera::ptx {

inline unsigned shared_address(const void* pointer)
{
    return static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - shared);
}

inline void ldmatrix(unsigned (&d)[4], unsigned address, bool transposed)
{
    check(address % 16 == 0, "ldmatrix wants 16-byte addresses");
    emulated::Warp& warp = emulated::warp();
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    warp.words[lane][0] = address;
    emulated::wait(warp.barrier);
    const auto element = [&](unsigned matrix, unsigned row, unsigned column) {
        unsigned short value;
        std::memcpy(&value, shared + warp.words[matrix * 8 + row][0] + column * 2, 2);
        return static_cast<unsigned>(value);
    };
    for (unsigned i = 0; i < 4; ++i) {
        d[i] = transposed ? element(i, 2 * t, g) | element(i, 2 * t + 1, g) << 16 : element(i, g, 2 * t) | element(i, g, 2 * t + 1) << 16;
    }
    emulated::wait(warp.barrier);
}

inline void ldmatrix_x4(unsigned (&d)[4], unsigned address) { ldmatrix(d, address, false); }
inline void ldmatrix_x4_trans(unsigned (&d)[4], unsigned address) { ldmatrix(d, address, true); }

} // namespace tera::ptx
