// Stores of 8×8 matrices of 16-bit elements from mma fragments to shared memory, sm_90. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#warp-level-matrix-instructions-stmatrix
// Lanes 8i..8i+7 give the addresses of matrix i's eight rows of 16 bytes; the fragments are those of ldmatrix.
#pragma once

namespace tera::ptx {

/// Four 8×8 matrices.
__device__ __forceinline__ void stmatrix_x4(unsigned address, unsigned a, unsigned b, unsigned c, unsigned d)
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

/// Two 8×8 matrices, each transposed on the way; the addresses come from lanes 0..15.
__device__ __forceinline__ void stmatrix_x2_trans(unsigned address, unsigned a, unsigned b)
{
    asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1,%2};" ::"r"(address), "r"(a), "r"(b) : "memory");
}

} // namespace tera::ptx
