// What becomes of a finished tile: C = alpha · sum + (accumulate ? C : 0) + bias, in float32, rounded once at the store; or, when
// K is split over blocks, the plain sums as one layer of a workspace that split_sum.cu adds up in order.
#pragma once

#include "common/dtype.cuh"
#include "common/host_device.cuh"

namespace tera::gemm {

/// The same layout as the C# struct ProductOutputArguments.
struct Output {
    void* c;          // m×n
    const void* bias; // n elements of A's dtype, or null
    float* partial;   // layers of m×n, or null when K is whole
    i64 m, n;
    float alpha;
    i32 accumulate;
    i32 single; // C is float32 whatever A is
    i32 parts;  // layers of partial
};

template <int DType>
struct OutputWriter {
    const Output& out;
    bool pairs; // neighbours may be stored together

    __device__ __forceinline__ explicit OutputWriter(const Output& output) : out(output)
    {
        const u64 size = output.single || output.partial ? 8 : 2 * sizeof(typename Element<DType>::Storage);
        pairs = output.n % 2 == 0 && reinterpret_cast<u64>(output.partial ? output.partial : output.c) % size == 0;
    }

    /// Two neighbours of a row; what lies outside C is dropped.
    __device__ __forceinline__ void write(i64 row, i64 column, float first, float second) const
    {
        if (row >= out.m || column >= out.n) {
            return;
        }
        const i64 at = row * out.n + column;
        const bool both = column + 1 < out.n;
        if (out.partial != nullptr) {
            store<kFloat32>(out.partial + blockIdx.y * out.m * out.n + at, first, second, both);
            return;
        }
        first *= out.alpha;
        second *= out.alpha;
        if (out.single) {
            finish<kFloat32>(at, column, first, second, both);
        } else {
            finish<DType>(at, column, first, second, both);
        }
    }

    /// One element, given its sum.
    __device__ __forceinline__ void write_single(i64 row, i64 column, float value) const
    {
        const i64 at = row * out.n + column;
        if (out.single) {
            finish<kFloat32>(at, column, value * out.alpha, 0.0f, false);
        } else {
            finish<DType>(at, column, value * out.alpha, 0.0f, false);
        }
    }

private:
    template <int To>
    __device__ __forceinline__ void finish(i64 at, i64 column, float first, float second, bool both) const
    {
        auto* target = static_cast<typename Element<To>::Storage*>(out.c) + at;
        if (out.accumulate) {
            first += Element<To>::decode(target[0]);
            second += both ? Element<To>::decode(target[1]) : 0.0f;
        }
        if (out.bias != nullptr) {
            const auto* bias = static_cast<const typename Element<DType>::Storage*>(out.bias) + column;
            first += Element<DType>::decode(bias[0]);
            second += both ? Element<DType>::decode(bias[1]) : 0.0f;
        }
        store<To>(target, first, second, both);
    }

    template <int To>
    __device__ __forceinline__ void store(typename Element<To>::Storage* target, float first, float second, bool both) const
    {
        if (pairs && both) {
            if constexpr (To == kFloat32) {
                *reinterpret_cast<float2*>(target) = make_float2(first, second);
            } else {
                *reinterpret_cast<u32*>(target) = Element<To>::encode2(first, second);
            }
        } else {
            target[0] = Element<To>::encode(first);
            if (both) {
                target[1] = Element<To>::encode(second);
            }
        }
    }
};

} // namespace tera::gemm
