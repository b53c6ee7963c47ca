// Results of kernels/kronecker/wgmma_modes.cu as transposed rows of one 16-byte word a tile: from the registers, without the copy engine, which takes as long for a
// word as for a long row.
#pragma once

#include "kronecker/modes_first.cuh"

namespace tera {

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
        return {
            __shfl_xor_sync(0xFFFFFFFFu, word.x, 1), __shfl_xor_sync(0xFFFFFFFFu, word.y, 1), __shfl_xor_sync(0xFFFFFFFFu, word.z, 1), __shfl_xor_sync(0xFFFFFFFFu, word.w, 1)};
    }

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

} // namespace tera
