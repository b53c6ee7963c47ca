// The emulation of kernels/ptx/ldmatrix.cuh, from the PTX ISA's definition.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline unsigned shared_address(const void* pointer) { return emulated::shared_address(pointer); }

inline void ldmatrix_x4(unsigned (&d)[4], unsigned address) { emulated::load_matrices(d, address, false); }
inline void ldmatrix_x4_trans(unsigned (&d)[4], unsigned address) { emulated::load_matrices(d, address, true); }

} // namespace tera::ptx
