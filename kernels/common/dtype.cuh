// The element types of tensors, by the number that TERA_DTYPE carries: 0 float32, 1 bfloat16, 2 float16 (the C# enum DType).
// Storage is what lies in memory; arithmetic is always float32, with one rounding (to nearest even) at the store.
#pragma once

#include "ptx/convert.cuh"

namespace tera {

constexpr int kFloat32 = 0;
constexpr int kBFloat16 = 1;
constexpr int kFloat16 = 2;

template <int DType>
struct Element;

template <>
struct Element<kFloat32> {
    using Storage = float;
    static __device__ __forceinline__ float decode(float x) { return x; }
    static __device__ __forceinline__ float encode(float x) { return x; }
};

template <>
struct Element<kBFloat16> {
    using Storage = unsigned short;
    static __device__ __forceinline__ float decode(unsigned short x) { return ptx::cvt_f32_bf16(x); }
    static __device__ __forceinline__ unsigned short encode(float x) { return ptx::cvt_bf16_f32(x); }
    static __device__ __forceinline__ unsigned encode2(float low, float high) { return ptx::cvt_bf16x2_f32(low, high); }
};

template <>
struct Element<kFloat16> {
    using Storage = unsigned short;
    static __device__ __forceinline__ float decode(unsigned short x) { return ptx::cvt_f32_f16(x); }
    static __device__ __forceinline__ unsigned short encode(float x) { return ptx::cvt_f16_f32(x); }
    static __device__ __forceinline__ unsigned encode2(float low, float high) { return ptx::cvt_f16x2_f32(low, high); }
};

/// Bytes of one element.
template <int DType>
constexpr int kSizeOf = sizeof(typename Element<DType>::Storage);

} // namespace tera
