// Results of kernels/kronecker/wgmma_modes.cu as transposed rows of two words and more: in units of 8×8 such rows through shared memory and the copy engine.
#pragma once

#include "kronecker/modes_first.cuh"

namespace tera {

/// Brings what is added to unit `unit` of tile `index` into one of the warp's buffers. `part` and `row` are the warpgroup's.
__device__ __forceinline__ void fetch_added(
    const ModesArguments& p, const Shared& s, int warp, int index, int part, int row, int unit, int buffer)
{
    const unsigned barrier = s.arrived + (warp * kBuffers + buffer) * 8;
    ptx::mbarrier_arrive_expect_tx(barrier, kUnitBytes);
    ptx::cp_async_bulk_tensor_3d_load(s.staging + (warp * kBuffers + buffer) * kUnitBytes, &p.added,
        first_token(index, part) + unit / 2 % kUnitParts * kUnitTokens, unit / 2 / kUnitParts * 8, row + warp % 4 * 16 + unit % 2 * 8, barrier);
}

/// What is added to the first units of a block, for all warps.
__device__ __forceinline__ void fetch_first_added(const ModesArguments& p, const Shared& s)
{
    if (TERA_ADD && !kWords && p.wide) {
        for (int i = 0; i < kConsumers * 4 * (kBuffers - 1); ++i) {
            const int warp = i / (kBuffers - 1), consumer = warp / 4, unit = i % (kBuffers - 1);
            fetch_added(p, s, warp, blockIdx.x, TERA_SPLIT_COLUMNS ? consumer : 0,
                blockIdx.x % kRowTiles * kTileRows + (TERA_SPLIT_COLUMNS ? 0 : consumer * kWarpgroupRows), unit, unit);
        }
    }
}

/// out[(o₁, o), t], plus what is added. Each warp works for itself, unit by unit, its buffers taking turns: the copy engine brings what is added, the
/// warp adds its results in place, the copy engine takes the sum away.
struct TransposedStores {
    const ModesArguments& p;
    const Shared& s;
    int warp, part, row;                         // among all consumers; the warpgroup's part and first row of F
    int fetch_index, fetch_unit = kBuffers - 1;  // what is to be fetched next
    unsigned place;                              // of the thread's first word in a unit
    int buffer = 0;
    unsigned parity = 0;

    __device__ TransposedStores(const ModesArguments& arguments, const Shared& layout, int consumer, int which, int first_row)
        : p(arguments), s(layout), warp(consumer * 4 + threadIdx.x % 128 / 32), part(which), row(first_row), fetch_index(blockIdx.x)
    {
        const unsigned unit_row = threadIdx.x % 32 * 2;  // eight of o₁ a row o: lanes 4o + q hold (o, 2q) and the next one
        place = unit_row * kUnitRow ^ swizzle(unit_row);
    }

    __device__ __forceinline__ void begin(int) {}

    /// One tile's part. Rows t are a[0], a[1], … one after another.
    __device__ __forceinline__ void store(int, int token, const unsigned (&a)[kPasses][kRegisters / 2])
    {
#pragma unroll 1
        for (int group = 0; group < kOutGroups; ++group) {
            uint2 first[kInBlocks];
            load_first(s, group, first);
#pragma unroll
            for (int i = 0; i < kUnitParts * 2; ++i) {
                unit(token + i / 2 * kUnitTokens, group, i % 2, a[0] + i / 2 * kUnitTokens * kInPadded / 4, first);
            }
        }
    }

    __device__ __forceinline__ void finish()
    {
        if (threadIdx.x % 32 == 0) {
            ptx::cp_async_bulk_wait_group_read<0>();
        }
    }

private:
    /// Rows t from `token`, one half of the warp's sixteen rows of F.
    __device__ __forceinline__ void unit(int token, int group, int half, const unsigned* a, const uint2 (&first)[kInBlocks])
    {
        const int lane = threadIdx.x % 32, o = row + warp % 4 * 16 + half * 8;
        const unsigned box = s.staging + (warp * kBuffers + buffer) * kUnitBytes;
        if (TERA_ADD && p.wide) {
            ptx::mbarrier_wait_parity(s.arrived + (warp * kBuffers + buffer) * 8, parity);
        } else {
            if (lane == 0) {
                ptx::cp_async_bulk_wait_group_read<kBuffers - 1>();
            }
            if (TERA_ADD) {
                move_elements<false>(p, box, o, group * 8, token);
            }
            __syncwarp();
        }
#pragma unroll
        for (int j = 0; j < kUnitTokens / 8; ++j) {
            float r[4][4];
#pragma unroll
            for (int t = 0; t < 4; ++t) {
                const unsigned* d = a + (8 * j + 2 * t) * kInPadded / 4 + half;
                contract_first(d, d + kInPadded / 4, first, p.alpha, r[t]);
            }
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const float value[8] = {r[0][e], r[0][2 + e], r[1][e], r[1][2 + e], r[2][e], r[2][2 + e], r[3][e], r[3][2 + e]};
                add_in_place(box + (place ^ j * 16) + e * kUnitRow, value);
            }
            if (TERA_ADD && p.wide && lane == 0 && j == kUnitTokens / 16) {
                fetch_next();
            }
        }
        ptx::fence_proxy_async();
        __syncwarp();
        if (!p.wide) {
            move_elements<true>(p, box, o, group * 8, token);
        } else if (lane == 0) {
            ptx::cp_async_bulk_tensor_3d_store(&p.output, token, group * 8, o, box);
            ptx::cp_async_bulk_commit_group();
        }
        if (++buffer == kBuffers) {
            buffer = 0;
            parity ^= 1;
        }
    }

    /// Into the buffer of the unit before, which has left it by now, or soon.
    __device__ __forceinline__ void fetch_next()
    {
        if (fetch_unit >= kUnits) {
            fetch_unit -= kUnits;
            fetch_index += gridDim.x;
        }
        if (fetch_index < kRowTiles * p.token_tiles) {
            ptx::cp_async_bulk_wait_group_read<0>();
            fetch_added(p, s, warp, fetch_index, part, row, fetch_unit, buffer == 0 ? kBuffers - 1 : buffer - 1);
            ++fetch_unit;
        }
    }

    /// What the copy engine's swizzle of this row length does to the bytes of a unit's row; the same for the row after an even one.
    static __device__ __forceinline__ unsigned swizzle(unsigned unit_row)
    {
        return (unit_row * kUnitRow >> 7 & (kUnitRow / 16 - 1)) << 4;
    }

    /// Eight rows t, packed, plus what lies there.
    static __device__ __forceinline__ void add_in_place(unsigned at, const float (&value)[8])
    {
        uint4 added = {0, 0, 0, 0};
        if (TERA_ADD) {
            added = ptx::ld_shared_v4(at);
        }
        ptx::st_shared_v4(at, add_word(value, added));
    }

    /// A unit's elements one by one, where rows miss 16 bytes: what is added comes into the box, or the sums go out.
    template <bool Out>
    static __device__ __noinline__ void move_elements(const ModesArguments& p, unsigned box, int o, int o1, int token)
    {
        for (int e = threadIdx.x % 32; e < 8 * 8 * kUnitTokens; e += 32) {
            const int unit_row = e / kUnitTokens, t = e % kUnitTokens;
            const int row = o + unit_row / 8, first = o1 + unit_row % 8;
            if (row < kRestOut && first < kFirstOut && token + t < p.tokens) {
                const long long at = (static_cast<long long>(first) * kRestOut + row) * p.ld + token + t;
                const unsigned in_box = box + ((unit_row * kUnitRow + t * 2) ^ swizzle(unit_row));
                if constexpr (Out) {
                    static_cast<unsigned short*>(p.transposed)[at] = ptx::ld_shared_u16(in_box);
                } else {
                    ptx::st_shared_u16(in_box, static_cast<const unsigned short*>(p.add)[at]);
                }
            }
        }
        __syncwarp();
    }
};

} // namespace tera
