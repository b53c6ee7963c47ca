// Walking over tensors of any element type four elements at a time: one access of 8 or 16 bytes where the address allows it.
#pragma once

#include "common/dtype.cuh"
#include "common/host_device.cuh"

namespace tera {

/// Four neighbouring elements of which `count` exist, as float32; the others are zero. `aligned`: `from` is a multiple of four elements.
template <int DType>
__device__ __forceinline__ void read_quad(const void* tensor, i64 first, i64 count, bool aligned, float (&v)[4]) {
    using Storage = typename Element<DType>::Storage;
    const Storage* from = static_cast<const Storage*>(tensor) + first;
    if (aligned && count >= 4) {
        if constexpr (DType == kFloat32) {
            const float4 quad = *reinterpret_cast<const float4*>(from);
            v[0] = quad.x, v[1] = quad.y, v[2] = quad.z, v[3] = quad.w;
        } else {
            const uint2 pairs = *reinterpret_cast<const uint2*>(from);
            v[0] = Element<DType>::decode(static_cast<unsigned short>(pairs.x));
            v[1] = Element<DType>::decode(static_cast<unsigned short>(pairs.x >> 16));
            v[2] = Element<DType>::decode(static_cast<unsigned short>(pairs.y));
            v[3] = Element<DType>::decode(static_cast<unsigned short>(pairs.y >> 16));
        }
    } else {
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            v[u] = u < count ? Element<DType>::decode(from[u]) : 0.0f;
        }
    }
}

/// Rounds and writes those of four elements that exist.
template <int DType>
__device__ __forceinline__ void write_quad(void* tensor, i64 first, i64 count, bool aligned, const float (&v)[4]) {
    using Storage = typename Element<DType>::Storage;
    Storage* to = static_cast<Storage*>(tensor) + first;
    if (aligned && count >= 4) {
        if constexpr (DType == kFloat32) {
            *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
        } else {
            *reinterpret_cast<uint2*>(to) = make_uint2(Element<DType>::encode2(v[0], v[1]), Element<DType>::encode2(v[2], v[3]));
        }
    } else {
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            if (u < count) {
                to[u] = Element<DType>::encode(v[u]);
            }
        }
    }
}

/// Eight neighbouring elements that exist, from a place that eight_aligned allows.
template <int DType>
__device__ __forceinline__ void read_whole_eight(const typename Element<DType>::Storage* from, float (&v)[8]) {
    if constexpr (DType == kFloat32) {
        const float4 low = reinterpret_cast<const float4*>(from)[0], high = reinterpret_cast<const float4*>(from)[1];
        v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
        v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
    } else {
        const uint4 words = *reinterpret_cast<const uint4*>(from);
        const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            v[2 * u] = Element<DType>::decode(static_cast<unsigned short>(pairs[u]));
            v[2 * u + 1] = Element<DType>::decode(static_cast<unsigned short>(pairs[u] >> 16));
        }
    }
}

/// Eight neighbouring elements, as read_quad reads four; `aligned`: eight_aligned, with rows of multiples of eight elements.
template <int DType>
__device__ __forceinline__ void read_eight(const void* tensor, i64 first, i64 count, bool aligned, float (&v)[8]) {
    using Storage = typename Element<DType>::Storage;
    const Storage* from = static_cast<const Storage*>(tensor) + first;
    if (aligned && count >= 8) {
        read_whole_eight<DType>(from, v);
    } else {
#pragma unroll
        for (int u = 0; u < 8; ++u) {
            v[u] = u < count ? Element<DType>::decode(from[u]) : 0.0f;
        }
    }
}

/// `streaming`: past the cache, so that nothing else leaves it.
template <class Vector>
__device__ __forceinline__ void write_vector(Vector* to, Vector value, bool streaming) {
    if (streaming) {
        __stcs(to, value);
    } else {
        *to = value;
    }
}

/// Rounds and writes those of eight elements that exist.
template <int DType>
__device__ __forceinline__ void write_eight(void* tensor, i64 first, i64 count, bool aligned, bool streaming, const float (&v)[8]) {
    using Storage = typename Element<DType>::Storage;
    Storage* to = static_cast<Storage*>(tensor) + first;
    if (aligned && count >= 8) {
        if constexpr (DType == kFloat32) {
            write_vector(reinterpret_cast<float4*>(to), make_float4(v[0], v[1], v[2], v[3]), streaming);
            write_vector(reinterpret_cast<float4*>(to) + 1, make_float4(v[4], v[5], v[6], v[7]), streaming);
        } else {
            const uint4 words = make_uint4(Element<DType>::encode2(v[0], v[1]), Element<DType>::encode2(v[2], v[3]),
                Element<DType>::encode2(v[4], v[5]), Element<DType>::encode2(v[6], v[7]));
            write_vector(reinterpret_cast<uint4*>(to), words, streaming);
        }
    } else {
#pragma unroll
        for (int u = 0; u < 8; ++u) {
            if (u < count) {
                to[u] = Element<DType>::encode(v[u]);
            }
        }
    }
}

/// Whether quads of a tensor can be accessed at once.
template <int DType>
__device__ __forceinline__ bool quad_aligned(const void* tensor) {
    return reinterpret_cast<u64>(tensor) % (4 * kSizeOf<DType>) == 0;
}

/// Whether eight elements of a tensor can be accessed at once: by 16 bytes, of any dtype.
__device__ __forceinline__ bool eight_aligned(const void* tensor) { return reinterpret_cast<u64>(tensor) % 16 == 0; }

/// This thread's first element in a walk by quads, and the distance to its next ones.
__device__ __forceinline__ i64 first_quad() { return 4 * (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x); }
__device__ __forceinline__ i64 quad_stride() { return 4 * static_cast<i64>(gridDim.x) * blockDim.x; }

}  // namespace tera
