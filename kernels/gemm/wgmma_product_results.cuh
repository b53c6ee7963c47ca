// What becomes of a tile of kernels/gemm/wgmma_product.cu: alpha, bias and addend in float32, one rounding, and the way out. Results of 16 bits are kept in
// registers and leave through the copy engine, box by box, while the next tile begins; float32 is written from the accumulators.
#pragma once

#include "gemm/wgmma_product_tiles.cuh"

namespace tera {

/// What a consumer keeps from tile to tile.
struct Consumer {
    int number;
    bool leader;
    unsigned staging, empty;
    Ring<kStages> ring;
    int previous;                      // the stage before, or -1 in a tile's first
    unsigned words[kAccumulators / 2]; // its part of the tile before, rounded
    int m = 0, n = -1;                 // where that goes; n is -1 before the first tile

    __device__ __forceinline__ Consumer(const Shared& s, int consumer)
        : number(consumer), leader(threadIdx.x % 128 == 0), staging(s.staging + consumer * kStagingBoxes * kBoxBytes), empty(s.empty)
    {
    }

    /// Tells the producer that a stage is free.
    __device__ __forceinline__ void leave(int stage) const
    {
        if (leader) {
            ptx::mbarrier_arrive(empty + stage * 8);
        }
    }
};

/// Rounds a tile to 16 bits and keeps it for store_words.
__device__ __forceinline__ void keep_words(const Item& item, Consumer& c, const float (&d)[kAccumulators])
{
#pragma unroll
    for (int i = 0; i < kAccumulators / 2; ++i) {
        c.words[i] = Element<TERA_DTYPE>::encode2(d[2 * i], d[2 * i + 1]);
    }
    c.m = item.m + 64 * c.number, c.n = item.n;
}

/// Stages 64×64 elements of the tile before in the swizzle of the tensor map and hands them to the copy engine.
__device__ __forceinline__ void store_words(const WgmmaProductArguments& p, Consumer& c, int box)
{
    const BoxLane lane = BoxLane::of_thread();
    const unsigned place = c.staging + box % kStagingBoxes * kBoxBytes;
    if (c.leader) {
        ptx::cp_async_bulk_wait_group_read<kStagingBoxes - 1>();
    }
    ptx::bar_sync(1 + c.number, 128);
    const unsigned* words = c.words + 16 * box;
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
        ptx::stmatrix_x4(lane.address(place, j), words[2 * j], words[2 * j + 1], words[2 * j + 2], words[2 * j + 3]);
    }
    ptx::fence_proxy_async();
    ptx::bar_sync(1 + c.number, 128);
    if (c.leader) {
        ptx::cp_async_bulk_tensor_2d_store(&p.c, c.n + 64 * box, c.m, place);
        ptx::cp_async_bulk_commit_group();
    }
}

/// alpha and bias in float32, before the one rounding.
__device__ __forceinline__ void finish(const WgmmaProductArguments& p, int column, float (&d)[kAccumulators])
{
    using E = Element<TERA_DTYPE>;
    const auto* bias = static_cast<const typename E::Storage*>(p.bias);
#pragma unroll
    for (int j = 0; j < kAccumulators / 4; ++j) {
        const int c = column + 8 * j;
        const float first = bias != nullptr && c < p.n ? E::decode(bias[c]) : 0;
        const float second = bias != nullptr && c + 1 < p.n ? E::decode(bias[c + 1]) : 0;
        d[4 * j] = fmaf(d[4 * j], p.alpha, first);
        d[4 * j + 1] = fmaf(d[4 * j + 1], p.alpha, second);
        d[4 * j + 2] = fmaf(d[4 * j + 2], p.alpha, first);
        d[4 * j + 3] = fmaf(d[4 * j + 3], p.alpha, second);
    }
}

/// Adds what lies in a box to sixteen columns of the warp's rows.
__device__ __forceinline__ void add_columns(float* v, unsigned address)
{
    using E = Element<TERA_DTYPE>;
    unsigned words[4];
    ptx::ldmatrix_x4(words, address);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        v[2 * i] += E::decode(static_cast<unsigned short>(words[i]));
        v[2 * i + 1] += E::decode(static_cast<unsigned short>(words[i] >> 16));
    }
}

/// Adds the addend, which comes as stages of its own, before the one rounding.
__device__ __forceinline__ void add_tile(const Shared& s, Consumer& c, float (&d)[kAccumulators])
{
    const BoxLane lane = BoxLane::of_thread();
#pragma unroll
    for (int first = 0; first < kBoxes; first += kAddedBoxes) {
        const int stage = c.ring.stage;
        ptx::mbarrier_wait_parity(s.full + stage * 8, c.ring.parity);
#pragma unroll
        for (int box = 0; box < kAddedBoxes && first + box < kBoxes; ++box) {
            const unsigned place = added_box(s.a + stage * kBytesA, s.b + stage * kBytesB, box, c.number);
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                add_columns(d + 32 * (first + box) + 4 * j, lane.address(place, j));
            }
        }
        ptx::bar_sync(1 + c.number, 128);
        c.leave(stage);
        c.ring.advance();
    }
}

/// A run of pairs, eight columns apart, of one row; `added` may be null. `whole`: two neighbours may be written at once.
__device__ __forceinline__ void store_row(float* to, const float* added, int columns, bool whole, const float* d)
{
#pragma unroll
    for (int j = 0; j < kAccumulators / 4; ++j) {
        if (8 * j >= columns) {
            return;
        }
        float2 pair = make_float2(d[4 * j], d[4 * j + 1]);
        const bool second = 8 * j + 1 < columns;
        if (added != nullptr) {
            pair.x += added[8 * j];
            pair.y += second ? added[8 * j + 1] : 0;
        }
        if (whole) {
            *reinterpret_cast<float2*>(to + 8 * j) = pair;
        } else {
            to[8 * j] = pair.x;
            if (second) {
                to[8 * j + 1] = pair.y;
            }
        }
    }
}

/// Writes float32, plainly or added to what lies elsewhere.
__device__ __forceinline__ void store_singles(const WgmmaProductArguments& p, const Item& item, int consumer, const float (&d)[kAccumulators])
{
    const int thread = threadIdx.x % 128, lane = thread % 32;
    const int row = item.m + 64 * consumer + thread / 32 * 16 + lane / 4, column = item.n + 2 * (lane % 4);
    float* layer = p.c_single + static_cast<long long>(item.part) * p.m * p.n;
    const bool whole = p.n % 2 == 0 && reinterpret_cast<unsigned long long>(layer) % 8 == 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int r = row + 8 * half;
        if (r < p.m) {
            const long long at = static_cast<long long>(r) * p.n + column;
            store_row(layer + at, p.add_single == nullptr ? nullptr : p.add_single + at, p.n - column, whole, d + 2 * half);
        }
    }
}

} // namespace tera
