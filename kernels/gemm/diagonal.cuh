// A diagonal as its vectors: element c is the product of one number of each, from the first to the last, as outer_vectors makes it.
#pragma once

#include "common/wide_divisor.cuh"

namespace tera::gemm {

constexpr int kMostVectors = 4;

/// The same layout as the C# struct Diagonal.
struct Diagonal {
    const float* values[kMostVectors];
    float* output; // where the whole product is written, or null
    WideDivisor length[kMostVectors];
    u32 vectors; // none for a diagonal of ones
    u32 count;   // the product of all lengths
};

/// Where the numbers are whose product is one element; found without reading any.
struct DiagonalElement {
    const float* at[kMostVectors];
    u32 vectors;

    /// The last vector's index runs fastest.
    static __device__ __forceinline__ DiagonalElement of(const Diagonal& diagonal, u32 index)
    {
        DiagonalElement element;
        element.vectors = diagonal.vectors;
#pragma unroll
        for (int m = kMostVectors - 1; m >= 0; --m) {
            if (m < diagonal.vectors) {
                const u32 before = m == 0 ? 0 : diagonal.length[m].quotient(index);
                element.at[m] = diagonal.values[m] + (index - before * diagonal.length[m].value);
                index = before;
            }
        }
        return element;
    }

    __device__ __forceinline__ float value() const
    {
        float product = 1.0f;
#pragma unroll
        for (int m = 0; m < kMostVectors; ++m) {
            if (m < vectors) {
                product *= *at[m];
            }
        }
        return product;
    }
};

} // namespace tera::gemm
