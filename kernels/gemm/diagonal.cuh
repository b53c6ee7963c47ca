// A diagonal as its vectors: element c is the product of one number of each, from the first to the last, as outer_vectors makes it.
#pragma once

#include "common/host_device.cuh"

namespace tera::gemm {

constexpr int kMostVectors = 4;

/// The same layout as the C# struct BlockOperandsLauncher.Diagonal.
struct Diagonal {
    const float* values[kMostVectors];
    float* output; // where the whole product is written, or null
    u32 length[kMostVectors];
    u32 vectors; // none for a diagonal of ones
    u32 count;   // the product of all lengths
};

/// Which number of each vector is in one element.
struct Digits {
    u32 at[kMostVectors];
};

/// The last vector's index runs fastest. Nothing is read.
__device__ __forceinline__ Digits digits_of(const Diagonal& diagonal, u32 index)
{
    Digits digits;
#pragma unroll
    for (int m = kMostVectors - 1; m >= 0; --m) {
        if (m < diagonal.vectors) {
            const u32 before = m == 0 ? 0 : index / diagonal.length[m];
            digits.at[m] = index - before * diagonal.length[m];
            index = before;
        }
    }
    return digits;
}

__device__ __forceinline__ float product_at(const Diagonal& diagonal, const Digits& digits)
{
    float product = 1.0f;
#pragma unroll
    for (int m = 0; m < kMostVectors; ++m) {
        if (m < diagonal.vectors) {
            product *= diagonal.values[m][digits.at[m]];
        }
    }
    return product;
}

} // namespace tera::gemm
