// What becomes of a tile of kernels/kronecker/wgmma_modes.cu: the first mode contracted from the registers, then rows or transposed rows
// through shared memory and the copy engine.
#pragma once

#include "kronecker/modes_config.cuh"
#include "ptx/mma.cuh"

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
__device__ __forceinline__ void load_first(const uint2* fragments, int group, uint2 (&first)[kInBlocks])
{
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        first[k] = fragments[(k * kOutGroups + group) * 32 + threadIdx.x % 32];
    }
}

/// The first mode of one row t and one group of eight o₁: sixteen rows of F, from the accumulators' columns of that row.
__device__ __forceinline__ void contract_first(const unsigned* d, const uint2 (&first)[kInBlocks], float alpha, float (&r)[4])
{
    r[0] = r[1] = r[2] = r[3] = 0;
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        const unsigned* v = d + 4 * k;
        const unsigned a[4] = {v[0], v[1], kInPadded == 8 ? 0 : v[2], kInPadded == 8 ? 0 : v[3]};
        multiply_fragment(r, a, first[k]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        r[i] *= alpha;
    }
}

#if !TERA_TRANSPOSED_OUT
/// out[t, o₁, o], 64 of o at a time; the warpgroup's buffers take turns.
struct RowStores {
    const ModesArguments& p;
    const uint2* fragments;
    unsigned staging;
    int consumer, buffer;

    __device__ RowStores(const ModesArguments& arguments, const Shared& s, unsigned char* memory, int which)
        : p(arguments), fragments(reinterpret_cast<const uint2*>(memory + s.first)), staging(s.staging + which * kStagingBytes), consumer(which), buffer(0)
    {
    }

    __device__ __forceinline__ void start(int, int) {}

    /// One tile's part: a[chunk] are 64 rows of F from `row`.
    __device__ __forceinline__ void store(int row, int token, int, const unsigned (&a)[kChunks * kPasses][kRegisters / 2])
    {
        const int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
#pragma unroll
            for (int t0 = 0; t0 < kTokens; t0 += kStoreTokens) {
                if (thread == 0) {
                    ptx::cp_async_bulk_wait_group_read<kBuffers - 1>();
                }
                ptx::bar_sync(1 + consumer, 128);
                const unsigned box = staging + buffer * kStoreBytes;
#pragma unroll
                for (int g = 0; g < kOutGroups; ++g) {
                    uint2 first[kInBlocks];
                    load_first(fragments, g, first);
#pragma unroll
                    for (int t = 0; t < kStoreTokens; ++t) {
                        float r[4];
                        contract_first(a[c] + (t0 + t) * kInPadded / 4, first, p.alpha, r);
                        const unsigned at = swizzled(t * kOut + 8 * g + lane % 8, 2 * warp + lane / 8 % 2);
                        ptx::stmatrix_x2_trans(box + at, E::encode2(r[0], r[1]), E::encode2(r[2], r[3]));
                    }
                }
                ptx::fence_proxy_async();
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
#else
/// out[(o₁, o), t], plus what is added. Each warp works for itself, unit by unit in two buffers by turns: the copy engine brings what is added,
/// the warp adds its results in place, the copy engine takes the sum away.
struct TransposedStores {
    const ModesArguments& p;
    const uint2* fragments;
    unsigned char* memory;
    unsigned units, arrived;
    int warp, buffer;
    unsigned parity;

    __device__ TransposedStores(const ModesArguments& arguments, const Shared& s, unsigned char* shared_memory, int consumer)
        : p(arguments), fragments(reinterpret_cast<const uint2*>(shared_memory + s.first)), memory(shared_memory), warp(threadIdx.x % 128 / 32), buffer(0), parity(0)
    {
        units = s.staging + consumer * kStagingBytes + warp * kBuffers * kUnitBytes;
        arrived = s.arrived + (consumer * 4 + warp) * kBuffers * 8;
    }

    /// Before the block's first tile.
    __device__ __forceinline__ void start(int row, int token)
    {
        if (TERA_ADD && p.wide && threadIdx.x % 32 == 0) {
            fetch(row, token, 0, 0);
        }
    }

    /// One tile's part; the one after starts at `next_token`, negative if there is none. Rows t are a[0], a[1], … one after another.
    __device__ __forceinline__ void store(int row, int token, int next_token, const unsigned (&a)[kPasses][kRegisters / 2])
    {
#pragma unroll 1
        for (int group = 0; group < kOutGroups; ++group) {
            uint2 first[kInBlocks];
            load_first(fragments, group, first);
#pragma unroll
            for (int part = 0; part < kUnitParts; ++part) {
                const int next = group * kUnitParts + part + 1;
                unit(row, token, group, part, a[0], first, next < kUnits ? token : next_token, next < kUnits ? next : 0);
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
    /// Brings what is added to unit number `index` of a tile into a buffer.
    __device__ __forceinline__ void fetch(int row, int token, int index, int into)
    {
        if (token >= 0) {
            ptx::mbarrier_arrive_expect_tx(arrived + into * 8, kUnitBytes);
            ptx::cp_async_bulk_tensor_3d_load(
                units + into * kUnitBytes, &p.added, token + index % kUnitParts * kUnitTokens, index / kUnitParts * 8, row + 16 * warp, arrived + into * 8);
        }
    }

    __device__ __forceinline__ void unit(int row, int token, int group, int part, const unsigned* a, const uint2 (&first)[kInBlocks], int next_token, int next)
    {
        const int lane = threadIdx.x % 32;
        if (TERA_ADD && p.wide) {
            ptx::mbarrier_wait_parity(arrived + buffer * 8, parity);
        } else {
            if (lane == 0) {
                ptx::cp_async_bulk_wait_group_read<kBuffers - 1>();
            }
            __syncwarp();
        }
        unsigned char* box = memory + units + buffer * kUnitBytes;
#pragma unroll
        for (int j = 0; j < kUnitTokens / 8; ++j) {
            float r[8][4];
#pragma unroll
            for (int t = 0; t < 8; ++t) {
                contract_first(a + (part * kUnitTokens + 8 * j + t) * kInPadded / 4, first, p.alpha, r[t]);
            }
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float value[8] = {r[0][e], r[1][e], r[2][e], r[3][e], r[4][e], r[5][e], r[6][e], r[7][e]};
                const int o = lane / 4 + e / 2 * 8, o1 = lane % 4 * 2 + e % 2;
                if (p.wide) {
                    add_word(box + unit_place(o * 8 + o1, j), value);
                } else {
                    store_elements(p, row + 16 * warp + o, group * 8 + o1, token + part * kUnitTokens + 8 * j, value);
                }
            }
            if (j == kUnitTokens / 16 && TERA_ADD && p.wide && lane == 0) {
                // The unit before has left its buffer by now, or soon.
                ptx::cp_async_bulk_wait_group_read<0>();
                fetch(row, next_token, next, buffer ^ 1);
            }
        }
        ptx::fence_proxy_async();
        __syncwarp();
        if (p.wide && lane == 0) {
            ptx::cp_async_bulk_tensor_3d_store(&p.output, token + part * kUnitTokens, group * 8, row + 16 * warp, units + buffer * kUnitBytes);
            ptx::cp_async_bulk_commit_group();
        }
        parity ^= buffer;
        buffer ^= 1;
    }

    /// Byte of 16-byte chunk `chunk` of a unit's row in the swizzle of its row's length.
    static __device__ __forceinline__ unsigned unit_place(unsigned row, unsigned chunk)
    {
        const unsigned at = row * kUnitRow + chunk * 16;
        return at ^ ((at >> 7 & (kUnitRow / 16 - 1)) << 4);
    }

    /// Eight rows t, packed, plus what lies there.
    static __device__ __forceinline__ void add_word(unsigned char* at, const float (&value)[8])
    {
        uint4& word = *reinterpret_cast<uint4*>(at);
        const uint4 added = TERA_ADD ? word : uint4{0, 0, 0, 0};
        word = {pair(value[0], value[1], added.x), pair(value[2], value[3], added.y), pair(value[4], value[5], added.z), pair(value[6], value[7], added.w)};
    }

    static __device__ __forceinline__ unsigned pair(float low, float high, unsigned added)
    {
        return TERA_ADD ? E::encode2(low + E::decode(static_cast<unsigned short>(added)), high + E::decode(static_cast<unsigned short>(added >> 16))) : E::encode2(low, high);
    }

    /// Eight rows t past shared memory, one by one.
    static __device__ __noinline__ void store_elements(const ModesArguments& p, int o, int o1, int token, const float (&value)[8])
    {
        const long long at = (static_cast<long long>(o1) * kRestOut + o) * p.ld + token;
        auto* out = static_cast<unsigned short*>(p.transposed) + at;
        [[maybe_unused]] const auto* add = static_cast<const unsigned short*>(p.add) + at;
#pragma unroll
        for (int t = 0; t < 8; ++t) {
            if (o < kRestOut && o1 < kFirstOut && token + t < p.tokens) {
                out[t] = E::encode(TERA_ADD ? value[t] + E::decode(add[t]) : value[t]);
            }
        }
    }
};

using Stores = TransposedStores;
#endif

} // namespace tera
