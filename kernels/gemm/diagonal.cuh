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

/// One number of two diagonals, those of which are written being numbered one after the other.
struct DiagonalNumber {
    float* to; // null past the last
    DiagonalElement element;

    static __device__ __forceinline__ DiagonalNumber of(const Diagonal (&diagonal)[2], u32 index)
    {
        const u32 first = diagonal[0].output != nullptr ? diagonal[0].count : 0, second = diagonal[1].output != nullptr ? diagonal[1].count : 0;
        const int which = index < first ? 0 : 1;
        if (index >= first + second) {
            return {nullptr, {}};
        }
        index -= which == 0 ? 0 : first;
        return {diagonal[which].output + index, DiagonalElement::of(diagonal[which], index)};
    }
};

} // namespace tera::gemm
