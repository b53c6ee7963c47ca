// output[i] = scale · element i of a factor, by any group of threads: a thread makes the elements of one 16-byte store (4 of float32, 8 of the 16-bit types),
// then goes on by as many vectors as there are threads. An element depends on its index alone, so it does not show in the result who makes it.
//
// The float32 element times the float32 scale is rounded once, then once more to the output's type where that is narrower. Addresses off 16 bytes and the
// last elements are stored one by one.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16), TERA_DISTRIBUTION (0 normal, 1 uniform, 2 Rademacher, 3 ternary).
#pragma once

#include "common/dtype.cuh"
#include "random/distributions.cuh"

namespace tera {

struct FillRandomArguments {
    Element<TERA_DTYPE>::Storage* output;
    u64 count;
    RandomSource source;
    float scale;
    u32 early;  // fill.cu: the kernel before is a product that neither reads nor writes the output, and need not be waited for
    u32 tiled;  // fill_tiles.cuh: 16-bit normals, fewer than 2³², at a multiple of 8 bytes, by kTileThreads; otherwise unused
};

constexpr int kVector = 16 / kSizeOf<TERA_DTYPE>;

/// One store of 16 bytes.
template <int DType>
__device__ __forceinline__ void store_vector(typename Element<DType>::Storage* output, const float (&x)[kVector])
{
    uint4 vector;
    if constexpr (DType == kFloat32) {
        vector = make_uint4(float_bits(x[0]), float_bits(x[1]), float_bits(x[2]), float_bits(x[3]));
    } else {
        vector.x = Element<DType>::encode2(x[0], x[1]);
        vector.y = Element<DType>::encode2(x[2], x[3]);
        vector.z = Element<DType>::encode2(x[4], x[5]);
        vector.w = Element<DType>::encode2(x[6], x[7]);
    }
    *reinterpret_cast<uint4*>(output) = vector;
}

/// The first elements of a vector, one by one.
__device__ __forceinline__ void store_some(Element<TERA_DTYPE>::Storage* output, const float (&x)[kVector], u64 count)
{
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
        if (i < count) {
            output[i] = Element<TERA_DTYPE>::encode(x[i]);
        }
    }
}

/// The vectors of thread `thread` of `threads`. Index: u32 where that numbers all elements. Scaled: the scale is not one.
template <class Index, bool Scaled>
__device__ __forceinline__ void fill(const FillRandomArguments& p, Index thread, Index threads)
{
    const bool aligned = reinterpret_cast<u64>(p.output) % 16 == 0;
    for (Index i = thread; static_cast<u64>(i) * kVector < p.count; i += threads) {
        const u64 first = static_cast<u64>(i) * kVector;
        float x[kVector];
        if constexpr (sizeof(Index) == 4) {
            Factor<TERA_DISTRIBUTION>::consecutive(p.source, i, x);
        } else {
            Factor<TERA_DISTRIBUTION>::consecutive(p.source, first, x);
        }
#pragma unroll
        for (int j = 0; Scaled && j < kVector; ++j) {
            x[j] = mul_rn(x[j], p.scale);
        }
        if (aligned && p.count - first >= kVector) {
            store_vector<TERA_DTYPE>(p.output + first, x);
        } else {
            store_some(p.output + first, x, p.count - first);
        }
    }
}

}  // namespace tera
