// What the Kronecker kernels read and write: tensors of three element types, or the core generated in place of a tensor.
#pragma once

#include "common/dtype.cuh"
#include "kronecker/indices.cuh"
#include "random/distributions.cuh"

namespace tera {

/// Value of TERA_INPUT for an input that is generated.
constexpr int kGenerated = 3;

/// Elements of 16 bytes.
template <int DType>
constexpr int kVector = 16 / kSizeOf<DType>;

/// 16 bytes from `from`, which is aligned to them.
template <int DType>
__device__ __forceinline__ void read_vector(const typename Element<DType>::Storage* from, float (&v)[kVector<DType>]) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if constexpr (DType == kFloat32) {
            v[i] = __uint_as_float(words[i]);
        } else {
            v[2 * i] = Element<DType>::decode(static_cast<unsigned short>(words[i]));
            v[2 * i + 1] = Element<DType>::decode(static_cast<unsigned short>(words[i] >> 16));
        }
    }
}

/// 16 bytes to `to`, which is aligned to them.
template <int DType>
__device__ __forceinline__ void write_vector(typename Element<DType>::Storage* to, const float (&v)[kVector<DType>]) {
    unsigned words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if constexpr (DType == kFloat32) {
            words[i] = __float_as_uint(v[i]);
        } else {
            words[i] = Element<DType>::encode2(v[2 * i], v[2 * i + 1]);
        }
    }
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}

/// Elements first … first + 3 of a factor, at any alignment.
__device__ __forceinline__ void four_elements(const RandomSource& source, u64 first, float (&v)[4]) {
    const u32 shift = static_cast<u32>(first) & 3u;
    float a[4];
    consecutive_elements(source, first - shift, a);
    if (shift == 0) {
        v[0] = a[0], v[1] = a[1], v[2] = a[2], v[3] = a[3];
        return;
    }
    float b[4];
    consecutive_elements(source, first - shift + 4, b);
    v[0] = shift == 1 ? a[1] : shift == 2 ? a[2] : a[3];
    v[1] = shift == 1 ? a[2] : shift == 2 ? a[3] : b[0];
    v[2] = shift == 1 ? a[3] : shift == 2 ? b[0] : b[1];
    v[3] = shift == 1 ? b[0] : shift == 2 ? b[1] : b[2];
}

/// alpha·sum, plus what is added to it, before the one rounding of the store.
__device__ __forceinline__ float finish(float sum, float alpha) { return alpha * sum; }
__device__ __forceinline__ float finish(float sum, float alpha, float added) { return fmaf(alpha, sum, added); }

}  // namespace tera
