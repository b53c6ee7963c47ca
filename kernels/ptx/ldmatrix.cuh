// Loads of 8×8 matrices of 16-bit elements from shared memory into mma fragments, sm_75 and later. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#warp-level-matrix-instructions-ldmatrix
//
// Lanes 0..7 give the addresses of matrix 0's eight rows of 16 bytes, lanes 8..15 matrix 1's and so on; every address is a
// multiple of 16. Register i of lane l then holds elements (l / 4, 2·(l % 4)) and (l / 4, 2·(l % 4) + 1) of matrix i, and with
// .trans elements (2·(l % 4), l / 4) and (2·(l % 4) + 1, l / 4).
#pragma once

namespace tera::ptx {

/// A generic pointer into shared memory as the 32-bit address that the instructions of this folder take.
__device__ __forceinline__ unsigned shared_address(const void* pointer)
{
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

/// Four 8×8 matrices.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&d)[4], unsigned address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(address)
                 : "memory");
}

/// Four 8×8 matrices, each transposed on the way.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&d)[4], unsigned address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(address)
                 : "memory");
}

} // namespace tera::ptx
