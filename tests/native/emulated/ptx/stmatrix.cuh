// The emulation of kernels/ptx/stmatrix.cuh, from the PTX ISA's definition.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline void stmatrix_x4(unsigned address, unsigned a, unsigned b, unsigned c, unsigned d)
{
    const unsigned words[] = {a, b, c, d};
    emulated::store_matrices(address, words, 4, false);
}

inline void stmatrix_x2_trans(unsigned address, unsigned a, unsigned b)
{
    const unsigned words[] = {a, b};
    emulated::store_matrices(address, words, 2, true);
}

} // namespace tera::ptx
