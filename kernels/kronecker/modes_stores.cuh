// What becomes of a tile of kernels/kronecker/wgmma_modes.cu: the first mode contracted from the registers, then rows or transposed rows
// through shared memory and the copy engine.
#pragma once

#include "kronecker/modes_config.cuh"
#include "ptx/mma.cuh"
#include "ptx/shared.cuh"

namespace tera {

/// Accumulators as A fragments of mma: the one rounding between the modes.
__device__ __forceinline__ void pack(const float (&d)[kRegisters], unsigned* a)
{
#pragma unroll
    for (int i = 0; i < kRegisters / 2; ++i) {
        a[i] = E::encode2(d[2 * i], d[2 * i + 1]);
    }
}

__device__ __forceinline__ void multiply_fragment(float (&d)[4], const unsigned (&a)[4], const uint2& b)
{
    const unsigned halves[2] = {b.x, b.y};
#if TERA_DTYPE == 1
    ptx::mma_m16n8k16_bf16(d, a, halves);
#else
    ptx::mma_m16n8k16_f16(d, a, halves);
#endif
}

/// The lane's fragments of F₁ for one group of eight o₁.
__device__ __forceinline__ void load_first(const Shared& s, int group, uint2 (&first)[kInBlocks])
{
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        first[k] = ptx::ld_shared_v2(s.first + ((k * kOutGroups + group) * 32 + threadIdx.x % 32) * 8);
    }
}

/// The first mode for one group of eight o₁ and two times eight rows of F: `upper` and `lower` are a row t's accumulators from half 0 (the upper
/// eight rows of the warp's sixteen) or half 1.
__device__ __forceinline__ void contract_first(const unsigned* upper, const unsigned* lower, const uint2 (&first)[kInBlocks], float (&r)[4])
{
    r[0] = r[1] = r[2] = r[3] = 0;
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        const unsigned a[4] = {upper[4 * k], lower[4 * k], kInPadded == 8 ? 0 : upper[4 * k + 2], kInPadded == 8 ? 0 : lower[4 * k + 2]};
        multiply_fragment(r, a, first[k]);
    }
}

__device__ __forceinline__ void contract_first(const unsigned* upper, const unsigned* lower, const uint2 (&first)[kInBlocks], float alpha, float (&r)[4])
{
    contract_first(upper, lower, first, r);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        r[i] *= alpha;
    }
}

/// Two neighbours, plus what is added to them.
__device__ __forceinline__ unsigned add_pair(float low, float high, unsigned added)
{
    return TERA_ADD ? E::encode2(low + E::decode(static_cast<unsigned short>(added)), high + E::decode(static_cast<unsigned short>(added >> 16))) : E::encode2(low, high);
}

/// Eight rows t, packed, plus what is added to them.
__device__ __forceinline__ uint4 add_word(const float (&value)[8], const uint4& added)
{
    return {add_pair(value[0], value[1], added.x), add_pair(value[2], value[3], added.y), add_pair(value[4], value[5], added.z), add_pair(value[6], value[7], added.w)};
}

template <bool First, class A, class B>
struct Choice {
    using Type = A;
};

template <class A, class B>
struct Choice<false, A, B> {
    using Type = B;
};

#if !TERA_MARGINALS && !TERA_TRANSPOSED_OUT
/// out[t, o₁, o], 64 of o at a time; the warpgroup's buffers take turns.
struct RowStores {
    const ModesArguments& p;
    const Shared& s;
    int consumer, buffer = 0;

    __device__ RowStores(const ModesArguments& arguments, const Shared& layout, int which, int, int)
        : p(arguments), s(layout), consumer(which)
    {
    }

    __device__ __forceinline__ void begin(int) {}

    /// One tile's part: a[chunk] are 64 rows of F from `row`.
    __device__ __forceinline__ void store(int row, int token, const unsigned (&a)[kChunks * kPasses][kRegisters / 2])
    {
        const int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
#pragma unroll
            for (int t0 = 0; t0 < kTokens; t0 += kStoreTokens) {
                const unsigned box = s.staging + consumer * kStagingBytes + buffer * kStoreBytes;
#pragma unroll
                for (int g = 0; g < kOutGroups; ++g) {
                    uint2 first[kInBlocks];
                    load_first(s, g, first);
#pragma unroll
                    for (int t = 0; t < kStoreTokens; ++t) {
                        float r[4];
                        const unsigned* d = a[c] + (t0 + t) * kInPadded / 4;
                        contract_first(d, d + 1, first, p.alpha, r);
                        const unsigned at = swizzled(t * kOut + 8 * g + lane % 8, 2 * warp + lane / 8 % 2);
                        ptx::stmatrix_x2_trans(box + at, E::encode2(r[0], r[1]), E::encode2(r[2], r[3]));
                    }
                }
                ptx::fence_proxy_async();
                if (thread == 0) {
                    ptx::cp_async_bulk_wait_group_read<0>();  // the other buffer's box has left: it is free behind the barrier
                }
                ptx::bar_sync(1 + consumer, 128);
                if (thread == 0) {
                    ptx::cp_async_bulk_tensor_3d_store(&p.output, row + 64 * c, 0, token + t0, box);
                    ptx::cp_async_bulk_commit_group();
                }
                buffer ^= 1;
            }
        }
    }

    __device__ __forceinline__ void finish()
    {
        if (threadIdx.x % 128 == 0) {
            ptx::cp_async_bulk_wait_group_read<0>();
        }
    }
};

using Stores = RowStores;
#elif TERA_TRANSPOSED_OUT
/// out[(o₁, o), t], plus what is added, where a round's rows are one word of eight t. Of two rounds the first one's words wait in shared memory; with the second's, two
/// neighbouring lanes write both words of a row at once, a whole sector. What is added to a group is asked for before the group ahead of it is contracted.
struct WordStores {
    const ModesArguments& p;
    const Shared& s;
    int row;            // the thread's first of F
    unsigned waiting;   // the thread's first word of the round before
    bool later = false;

    __device__ WordStores(const ModesArguments& arguments, const Shared& layout, int consumer, int, int first)
        : p(arguments), s(layout), row(first + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4),
          waiting(layout.staging + consumer * kStagingBytes + threadIdx.x % 128 * 16)
    {
    }

    __device__ __forceinline__ void begin(int) {}

    /// One round's part. Rows t are a[0], a[1], … one after another.
    __device__ __forceinline__ void store(int, int token, const unsigned (&a)[kPasses][kRegisters / 2])
    {
        uint4 added[4] = {}, next[4] = {};
        load_group(0, token, next);
#pragma unroll 1
        for (int group = 0; group < kOutGroups; ++group) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                added[i] = next[i];
            }
            load_group(group + 1, token, next);
            uint2 first[kInBlocks];
            load_first(s, group, first);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float r[4][4];
#pragma unroll
                for (int t = 0; t < 4; ++t) {
                    const unsigned* d = a[0] + 2 * t * kInPadded / 4 + half;
                    contract_first(d, d + kInPadded / 4, first, p.alpha, r[t]);
                }
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const float value[8] = {r[0][e], r[0][2 + e], r[1][e], r[1][2 + e], r[2][e], r[2][2 + e], r[3][e], r[3][2 + e]};
                    put(group, half, e, token, add_word(value, added[2 * half + e]));
                }
            }
        }
        later = !later;
    }

    __device__ __forceinline__ void finish() {}

private:
    /// Where the word of row o₁ of F's row lies, in elements; -1 is outside.
    __device__ __forceinline__ long long place(int o1, int half, int token) const
    {
        const int o = row + 8 * half;
        return o1 < kFirstOut && o < kRestOut && token < p.tokens ? (static_cast<long long>(o1) * kRestOut + o) * p.ld + token : -1;
    }

    __device__ __forceinline__ void load_group(int group, int token, uint4 (&words)[4]) const
    {
#pragma unroll
        for (int i = 0; TERA_ADD && i < 4; ++i) {
            const long long at = place(group * 8 + threadIdx.x % 4 * 2 + i % 2, i / 2, token);
            if (at >= 0) {
                words[i] = load_word(static_cast<const unsigned short*>(p.add) + at);
            }
        }
    }

    __device__ __forceinline__ uint4 load_word(const unsigned short* from) const
    {
        if (p.wide) {
            return *reinterpret_cast<const uint4*>(from);
        }
        unsigned words[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            words[i] = from[2 * i] | static_cast<unsigned>(from[2 * i + 1]) << 16;
        }
        return {words[0], words[1], words[2], words[3]};
    }

    /// Keeps a word of the first round; sends it out together with that of the second: the even lane of a pair writes the first words, of both lanes' rows.
    __device__ __forceinline__ void put(int group, int half, int e, int token, const uint4& word) const
    {
        if (kRounds == 1) {
            store_word(place(group * 8 + threadIdx.x % 4 * 2 + e, half, token), word);
            return;
        }
        const unsigned slot = waiting + (group * 4 + half * 2 + e) * 128 * 16;
        if (!later) {
            ptx::st_shared_v4(slot, word);
            return;
        }
        const uint4 before = ptx::ld_shared_v4(slot);
        const bool odd = threadIdx.x % 2 != 0;
        const uint4 other = swap(odd ? before : word);
        const int even_o1 = group * 8 + threadIdx.x % 4 / 2 * 4 + e, mine = odd ? token : token - kTokens;
        store_word(place(even_o1, half, mine), odd ? other : before);
        store_word(place(even_o1 + 2, half, mine), odd ? word : other);
    }

    /// The neighbouring lane's.
    static __device__ __forceinline__ uint4 swap(const uint4& word)
    {
        return {swap(word.x), swap(word.y), swap(word.z), swap(word.w)};
    }

    static __device__ __forceinline__ unsigned swap(unsigned x) { return float_bits(__shfl_xor_sync(0xFFFFFFFFu, bits_float(x), 1)); }

    __device__ __forceinline__ void store_word(long long at, const uint4& word) const
    {
        if (at < 0) {
            return;
        }
        auto* to = static_cast<unsigned short*>(p.transposed) + at;
        if (p.wide) {
            *reinterpret_cast<uint4*>(to) = word;
            return;
        }
        const unsigned words[4] = {word.x, word.y, word.z, word.w};
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            to[i] = static_cast<unsigned short>(words[i / 2] >> i % 2 * 16);
        }
    }
};

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

using Stores = Choice<kWords, WordStores, TransposedStores>::Type;
#endif

} // namespace tera
