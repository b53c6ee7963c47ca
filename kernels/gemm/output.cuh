// What becomes of a finished tile: C = alpha · sum + add + bias, in float32, rounded once at the store; or, when
// K is split over blocks, the plain sums as one layer of a workspace that split_sum.cu adds up in order.
//
// Thread mapping: the warps put their fragments into shared memory as a float32 tile; then consecutive threads take consecutive
// groups of four columns, so that global memory sees whole rows of the tile.
#pragma once

#include "common/dtype.cuh"
#include "common/host_device.cuh"

namespace tera::gemm {

/// The same layout as the C# struct ProductOutputArguments.
struct Output {
    void* c;          // m×n
    const void* bias; // n elements of A's dtype, or null
    const void* add;  // m×n of C's dtype, C itself or another, or null
    float* partial;   // layers of m×n, or null when K is whole
    i64 m, n;
    float alpha;
    i32 single; // C is float32 whatever A is
    i32 parts;  // layers of partial
};

/// Four neighbours at once.
template <int D>
struct Quad {
    using Storage = Element<D>::Storage;

    __device__ __forceinline__ static void load(const Storage* from, float (&values)[4])
    {
        if constexpr (D == kFloat32) {
            const float4 four = *reinterpret_cast<const float4*>(from);
            values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
        } else {
            const ushort4 four = *reinterpret_cast<const ushort4*>(from);
            values[0] = Element<D>::decode(four.x), values[1] = Element<D>::decode(four.y);
            values[2] = Element<D>::decode(four.z), values[3] = Element<D>::decode(four.w);
        }
    }

    __device__ __forceinline__ static void store(Storage* to, const float (&values)[4])
    {
        if constexpr (D == kFloat32) {
            *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
        } else {
            *reinterpret_cast<uint2*>(to) =
                make_uint2(Element<D>::encode2(values[0], values[1]), Element<D>::encode2(values[2], values[3]));
        }
    }
};

/// Up to four neighbours: at once where the address allows it, otherwise the first `count` one by one.
template <int D>
struct Row {
    using Storage = Element<D>::Storage;

    __device__ __forceinline__ static void add(const Storage* from, float (&values)[4], bool whole, int count)
    {
        float added[4] = {};
        if (whole) {
            Quad<D>::load(from, added);
        } else {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                added[i] = i < count ? Element<D>::decode(from[i]) : 0.0f;
            }
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            values[i] += added[i];
        }
    }

    __device__ __forceinline__ static void store(Storage* to, const float (&values)[4], bool whole, int count)
    {
        if (whole) {
            Quad<D>::store(to, values);
        } else {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                if (i < count) {
                    to[i] = Element<D>::encode(values[i]);
                }
            }
        }
    }
};

template <int DType>
struct OutputWriter {
    const Output& out;
    i64 end;                                 // columns from here on are another block's
    bool whole_c, whole_bias, whole_partial; // groups of four may be moved at once

    /// Groups of four columns are counted from `first_n`.
    __device__ __forceinline__ OutputWriter(const Output& output, i64 first_n, i64 end_n) : out(output), end(end_n)
    {
        const bool fours = (output.n | first_n | end_n) % 4 == 0;
        const u32 size = output.single ? 4 : kSizeOf<DType>;
        whole_c = fours && (reinterpret_cast<u64>(output.c) | reinterpret_cast<u64>(output.add)) % (4 * size) == 0;
        whole_bias = fours && reinterpret_cast<u64>(output.bias) % (4 * kSizeOf<DType>) == 0;
        whole_partial = fours && reinterpret_cast<u64>(output.partial) % 16 == 0;
    }

    /// The sums of four neighbours of a row, the first of a group; what lies outside the columns is dropped.
    __device__ __forceinline__ void write(i64 row, i64 column, float (&sums)[4]) const
    {
        if (row >= out.m || column >= end) {
            return;
        }
        const i64 at = row * out.n + column;
        const int count = static_cast<int>(min(end - column, static_cast<i64>(4)));
        if (out.partial != nullptr) {
            Row<kFloat32>::store(out.partial + blockIdx.y * out.m * out.n + at, sums, whole_partial, count);
        } else {
            finish(at, column, sums, true, count);
        }
    }

    /// Four neighbours of a row whose sums lie in layers, which are added in ascending order.
    __device__ __forceinline__ void write_sum_of_layers(i64 row, i64 column) const
    {
        const i64 at = row * out.n + column;
        const int count = static_cast<int>(min(end - column, static_cast<i64>(4)));
        float sums[4] = {};
#pragma unroll 4
        for (i32 layer = 0; layer < out.parts; ++layer) {
            Row<kFloat32>::add(out.partial + layer * out.m * out.n + at, sums, whole_partial, count);
        }
        finish(at, column, sums, true, count);
    }

private:
    __device__ __forceinline__ void finish(i64 at, i64 column, float (&values)[4], bool group, int count) const
    {
        if (out.single) {
            finish_as<kFloat32>(at, column, values, group, count);
        } else {
            finish_as<DType>(at, column, values, group, count);
        }
    }

    template <int To>
    __device__ __forceinline__ void finish_as(i64 at, i64 column, float (&values)[4], bool group, int count) const
    {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            values[i] *= out.alpha;
        }
        auto* target = static_cast<typename Element<To>::Storage*>(out.c) + at;
        if (out.add != nullptr) {
            Row<To>::add(static_cast<const typename Element<To>::Storage*>(out.add) + at, values, group && whole_c, count);
        }
        if (out.bias != nullptr) {
            const auto* bias = static_cast<const typename Element<DType>::Storage*>(out.bias) + column;
            Row<DType>::add(bias, values, group && whole_bias, count);
        }
        Row<To>::store(target, values, group && whole_c, count);
    }
};

/// Writes the block's tile, whose first element is C's (first_m, first_n), up to the column end_n; takes the pipeline's shared memory.
template <class C, class Tile>
__device__ __forceinline__ void write_tile(const Tile& tile, const Output& output, unsigned char* shared, i64 first_m, i64 first_n, i64 end_n)
{
    // Eight words more than a row: the pairs of a fragment's rows lie in different banks.
    constexpr u32 kStride = C::kTileN + 8, kGroups = C::kTileN / 4;
    float* staging = reinterpret_cast<float*>(shared);
    tile.for_each_pair([&](u32 row, u32 column, float first, float second) {
        *reinterpret_cast<float2*>(staging + row * kStride + column) = make_float2(first, second);
    });
    __syncthreads();

    const OutputWriter<C::kDType> writer(output, first_n, end_n);
#pragma unroll 2
    for (u32 number = threadIdx.x; number < C::kTileM * kGroups; number += C::kThreads) {
        const u32 row = number / kGroups, column = number % kGroups * 4;
        float sums[4];
        Quad<kFloat32>::load(staging + row * kStride + column, sums);
        writer.write(first_m + row, first_n + column, sums);
    }
}

} // namespace tera::gemm
