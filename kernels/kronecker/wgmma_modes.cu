// All modes of a Kronecker product in one pass over memory, on Hopper's own instructions (sm_90a), 16-bit operands:
//
//   out[t, o₁, o] = alpha · Σ_{i₁} F₁[o₁, i₁] · Σ_i F[o, i] · in[t, i₁, i]        F = F₂ ⊗ F₃ ⊗ …, rounded once
//
// for every row t: P = X·V, Q = dY·U, the expansions back, and both halves of W0 + α·ΔW. The first mode stands alone, the others are
// multiplied out into one small dense matrix that stays in shared memory as the A operand of wgmma; the rows of the input stream through as
// its B operand, (t, i₁) being the columns. The accumulators then hold i₁ along their columns, which is the layout of an A fragment
// of mma: the first mode is contracted straight from the registers (rounded to 16 bits once on the way), nothing is moved.
//
// Trained vectors on the input side scale F₁ and F. Rows come through the copy engine, or the random core is generated in place of them
// (TERA_SOURCE 1, rows of the core). Results go out as rows through the copy engine, or transposed, out[(o₁, o), t], with W0 added
// (TERA_TRANSPOSED_OUT): eight rows t are one 16-byte word of a thread.
//
// Macros: TERA_DTYPE (1, 2); TERA_SOURCE (0 rows, 1 core); TERA_DISTRIBUTION (of the core); TERA_TRANSPOSED_OUT, TERA_ADD (0, 1);
// TERA_CHUNKS (64-row blocks of F a warpgroup holds at once); TERA_SPLIT_COLUMNS (1: the warpgroups share F's rows and split the tile's
// columns; 0: the other way round); TERA_COLUMNS (of a warpgroup's tile, 128 or 256); TERA_STAGES; TERA_MODES_IN, TERA_MODES_OUT (the modes' lengths before and after, the first mode first and at most 64).
#include "gemm/wgmma_engine.cuh"
#include "ptx/mma.cuh"
#include "random/distributions.cuh"

namespace tera {

constexpr int kMaximumModes = 6;
constexpr int kModeIn[] = {TERA_MODES_IN}, kModeOut[] = {TERA_MODES_OUT};
constexpr int kModes = sizeof(kModeIn) / sizeof(int);
static_assert(kModes > 1 && kModes <= kMaximumModes && sizeof(kModeIn) == sizeof(kModeOut), "two to six modes");

/// Product of the lengths of modes first, first + 1, …
constexpr int product(const int (&lengths)[kModes], int first)
{
    int result = 1;
    for (int m = first; m < kModes; ++m) {
        result *= lengths[m];
    }
    return result;
}

constexpr int kFirstIn = kModeIn[0], kFirstOut = kModeOut[0];
constexpr int kRestIn = product(kModeIn, 1), kRestOut = product(kModeOut, 1);
constexpr int kInPadded = kFirstIn <= 8 ? 8 : kFirstIn <= 16 ? 16 : kFirstIn <= 32 ? 32 : 64;
constexpr int kOutGroups = (kFirstOut + 7) / 8;
static_assert(kFirstIn <= 64 && kFirstOut <= 64 && kRestIn % 64 == 0, "what the tiles hold");

struct ModeArguments {
    unsigned stream;
    int contract;        // the factor is numbered in × out; otherwise out × in
    const float* scale;  // in numbers, or null
};

struct ModesArguments {
    ptx::TensorMap input;   // (i, i₁, t), boxes 64 × kInPadded × rows of a tile
    ptx::TensorMap output;  // (o, o₁, t), boxes 64 × kOut × rows of a store
    RandomSource factors;
    RandomSource core;
    ModeArguments modes[kMaximumModes];
    void* transposed;  // (o₁, o) × ld
    const void* add;   // the same layout
    long long ld;
    int tokens, token_tiles;
    int wide;          // whether transposed rows start at multiples of 16 bytes; otherwise elements go one by one
    int padding;
    float rest_scale;  // a power of two that keeps the sums over i near the size of the input
    float alpha;       // with that power taken back
};

constexpr int kConsumers = 2;
constexpr int kProducers = TERA_SOURCE == 1 ? 2 : 1;
constexpr int kStages = TERA_STAGES;
constexpr int kColumns = TERA_COLUMNS;  // of one warpgroup
constexpr int kTileColumns = TERA_SPLIT_COLUMNS ? kConsumers * kColumns : kColumns;
constexpr int kWarpgroupRows = 64 * TERA_CHUNKS;
constexpr int kTileRows = TERA_SPLIT_COLUMNS ? kWarpgroupRows : kConsumers * kWarpgroupRows;
constexpr int kRowTiles = (kRestOut + kTileRows - 1) / kTileRows;
constexpr int kFactorRows = kRowTiles * kTileRows;
constexpr int kStageBytes = kTileColumns * 128;
constexpr int kTokens = kColumns / kInPadded;          // rows t of a warpgroup's part of a tile
constexpr int kTileTokens = kTileColumns / kInPadded;
constexpr int kOut = 8 * kOutGroups;
constexpr int kStoreLimit = kOut <= 8 ? 16 : kOut <= 16 ? 8 : kOut <= 32 ? 4 : 2;
constexpr int kStoreTokens = kStoreLimit < kTokens ? kStoreLimit : kTokens;
constexpr int kStagingBytes = TERA_TRANSPOSED_OUT ? 0 : kStoreTokens * kOut * 128;
constexpr int kInBlocks = (kInPadded + 15) / 16;
constexpr int kRegisters = kColumns / 2;
using E = Element<TERA_DTYPE>;

struct Shared {
    unsigned stages, staging, full, empty, factor;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.stages = base;
    s.staging = s.stages + kStages * kStageBytes;
    s.factor = s.staging + kConsumers * kStagingBytes;
    s.full = s.factor + kFactorRows * kRestIn * 2;
    s.empty = s.full + kStages * 8;
    return s;
}

__device__ __forceinline__ void multiply_fragment(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#if TERA_DTYPE == 1
    ptx::mma_m16n8k16_bf16(d, a, b);
#else
    ptx::mma_m16n8k16_f16(d, a, b);
#endif
}

/// All factors with their scales, out × in in float32, one after another.
__device__ void generate_tables(const ModesArguments& p, float* tables)
{
#pragma unroll
    for (int m = 0; m < kModes; ++m) {
        const int in = kModeIn[m], out = kModeOut[m];
        RandomSource source = p.factors;
        source.stream = p.modes[m].stream;
        for (int e = threadIdx.x; e < in * out; e += 128 * (kProducers + kConsumers)) {
            const int o = e / in, i = e % in;
            const float value = random_element(source, p.modes[m].contract ? i * out + o : e);
            tables[e] = p.modes[m].scale ? value * p.modes[m].scale[i] : value;
        }
        tables += in * out;
    }
}

/// Element (o, i) of F₂ ⊗ F₃ ⊗ … in float32.
__device__ __forceinline__ float rest_element(const float* tables, int o, int i)
{
    float value = 1;
    int end = 0;
#pragma unroll
    for (int m = 0; m < kModes; ++m) {
        end += kModeIn[m] * kModeOut[m];
    }
#pragma unroll
    for (int m = kModes - 1; m > 0; --m) {
        end -= kModeIn[m] * kModeOut[m];
        value *= tables[end + o % kModeOut[m] * kModeIn[m] + i % kModeIn[m]];
        o /= kModeOut[m];
        i /= kModeIn[m];
    }
    return value;
}

/// F, rounded once, as the swizzled A operand: for each 64 of i, all rows of 128 bytes.
__device__ void build_factor(const ModesArguments& p, const float* tables, unsigned char* factor)
{
    constexpr int kPairs = kRestIn / 2;
#pragma unroll 4
    for (int e = threadIdx.x; e < kFactorRows * kPairs; e += 128 * (kProducers + kConsumers)) {
        const int o = e / kPairs, i = e % kPairs * 2;
        float low = 0, high = 0;
        if (o < kRestOut) {
            low = p.rest_scale * rest_element(tables, o, i);
            high = p.rest_scale * rest_element(tables, o, i + 1);
        }
        const unsigned at = i / 64 * kFactorRows * 128 + swizzled(o, i % 64 / 8) + i % 8 * 2;
        *reinterpret_cast<unsigned*>(factor + at) = E::encode2(low, high);
    }
}

/// F₁ as B fragments of mma: b[k block][o₁ group], element (i₁, o₁) with i₁ along K.
__device__ void load_first(const float* table, unsigned (&b)[kInBlocks][kOutGroups][2])
{
    constexpr int in = kFirstIn, out = kFirstOut;
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
#pragma unroll
        for (int g = 0; g < kOutGroups; ++g) {
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                const int i = 16 * k + 8 * h + lane % 4 * 2, o = 8 * g + lane / 4;
                b[k][g][h] = E::encode2(o < out && i < in ? table[o * in + i] : 0, o < out && i + 1 < in ? table[o * in + i + 1] : 0);
            }
        }
    }
}

/// Rows of the input through the copy engine; rows and i₁ outside read as zero.
__device__ void produce_rows(const ModesArguments& p, const Shared& s)
{
    Ring<kStages> ring;
    for (int index = blockIdx.x; index < kRowTiles * p.token_tiles; index += gridDim.x) {
        const int token = index / kRowTiles * kTileTokens;
        for (int k = 0; k < kRestIn; k += 64) {
            ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
            ptx::mbarrier_arrive_expect_tx(s.full + ring.stage * 8, kStageBytes);
            ptx::cp_async_bulk_tensor_3d_load(s.stages + ring.stage * kStageBytes, &p.input, k, 0, token, s.full + ring.stage * 8);
            ring.advance();
        }
    }
}

#if TERA_SOURCE == 1
/// Eight elements of a row of the core as one 16-byte chunk.
__device__ __forceinline__ uint4 core_chunk(const ModesArguments& p, int token, int first, int i)
{
    uint4 packed = {0, 0, 0, 0};
    if (token < p.tokens && first < kFirstIn) {
        float v[8];
        Factor<TERA_DISTRIBUTION>::template consecutive<8>(
            p.core, (static_cast<u64>(token) * kFirstIn + first) * kRestIn + i, v);
        packed = {E::encode2(v[0], v[1]), E::encode2(v[2], v[3]), E::encode2(v[4], v[5]), E::encode2(v[6], v[7])};
    }
    return packed;
}

/// Rows of the core, generated by all producer threads.
__device__ void produce_core(const ModesArguments& p, const Shared& s, unsigned char* stages)
{
    Ring<kStages> ring;
    const int thread = threadIdx.x;
    for (int index = blockIdx.x; index < kRowTiles * p.token_tiles; index += gridDim.x) {
        const int token = index / kRowTiles * kTileTokens;
        for (int k = 0; k < kRestIn; k += 64) {
            ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
            unsigned char* stage = stages + ring.stage * kStageBytes;
#pragma unroll 2
            for (int e = thread; e < kTileColumns * 8; e += 128 * kProducers) {
                const int row = e / 8, chunk = e % 8;
                *reinterpret_cast<uint4*>(stage + swizzled(row, chunk)) =
                    core_chunk(p, token + row / kInPadded, row % kInPadded, k + chunk * 8);
            }
            ptx::fence_proxy_async();
            __syncwarp();
            if (thread % 32 == 0) {
                ptx::mbarrier_arrive(s.full + ring.stage * 8);
            }
            ring.advance();
        }
    }
}
#endif

/// d[chunk] = F rows · columns of the tile.
__device__ __forceinline__ void accumulate(const Shared& s, int row, int consumer, bool leader,
    Ring<kStages>& ring, float (&d)[TERA_CHUNKS][kRegisters])
{
    unsigned previous = 0;
    for (int k = 0; k < kRestIn; k += 64) {
        ptx::mbarrier_wait_parity(s.full + ring.stage * 8, ring.parity);
        const unsigned a = s.factor + (k / 64 * kFactorRows + row) * 128;
        const unsigned b = s.stages + ring.stage * kStageBytes + (TERA_SPLIT_COLUMNS ? consumer * kColumns * 128 : 0);
        ptx::wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
            for (int c = 0; c < TERA_CHUNKS; ++c) {
                multiply_slice<TERA_DTYPE, false, false>(
                    d[c], descriptor<false>(a + c * kBoxBytes + i * 32), descriptor<false>(b + i * 32), k > 0 || i > 0);
            }
        }
        ptx::wgmma_commit_group();
        ptx::wgmma_wait_group<1>();
        if (k > 0 && leader) {
            ptx::mbarrier_arrive(previous);
        }
        previous = s.empty + ring.stage * 8;
        ring.advance();
    }
    ptx::wgmma_wait_group<0>();
    if (leader) {
        ptx::mbarrier_arrive(previous);
    }
}

/// Accumulators as A fragments of mma: the one rounding between the modes.
__device__ __forceinline__ void pack(const float (&d)[TERA_CHUNKS][kRegisters], unsigned (&a)[TERA_CHUNKS][kRegisters / 2])
{
#pragma unroll
    for (int c = 0; c < TERA_CHUNKS; ++c) {
#pragma unroll
        for (int i = 0; i < kRegisters / 2; ++i) {
            a[c][i] = E::encode2(d[c][2 * i], d[c][2 * i + 1]);
        }
    }
}

/// The first mode of one row t and one group of eight o₁: sixteen rows of F, from the accumulators' columns of that row.
__device__ __forceinline__ void contract_first(
    const unsigned* d, const unsigned (&first)[kInBlocks][kOutGroups][2], int group, float alpha, float (&r)[4])
{
    r[0] = r[1] = r[2] = r[3] = 0;
#pragma unroll
    for (int k = 0; k < kInBlocks; ++k) {
        const unsigned* v = d + 4 * k;
        const unsigned a[4] = {v[0], v[1], kInPadded == 8 ? 0 : v[2], kInPadded == 8 ? 0 : v[3]};
        multiply_fragment(r, a, first[k][group]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        r[i] *= alpha;
    }
}

/// out[t, o₁, o]: 64 of o at a time through the copy engine.
__device__ __forceinline__ void store_rows(const ModesArguments& p, unsigned staging, int consumer, int row, int token,
    const unsigned (&a)[kRegisters / 2], const unsigned (&first)[kInBlocks][kOutGroups][2])
{
    const int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
#pragma unroll
    for (int t0 = 0; t0 < kTokens; t0 += kStoreTokens) {
        if (thread == 0) {
            ptx::cp_async_bulk_wait_group_read<0>();
        }
        ptx::bar_sync(1 + consumer, 128);
#pragma unroll
        for (int t = 0; t < kStoreTokens; ++t) {
#pragma unroll
            for (int g = 0; g < kOutGroups; ++g) {
                float r[4];
                contract_first(a + (t0 + t) * kInPadded / 4, first, g, p.alpha, r);
                const unsigned at = swizzled(t * kOut + 8 * g + lane % 8, 2 * warp + lane / 8 % 2);
                ptx::stmatrix_x2_trans(staging + at, E::encode2(r[0], r[1]), E::encode2(r[2], r[3]));
            }
        }
        ptx::fence_proxy_async();
        ptx::bar_sync(1 + consumer, 128);
        if (thread == 0) {
            ptx::cp_async_bulk_tensor_3d_store(&p.output, row, 0, token + t0, staging);
            ptx::cp_async_bulk_commit_group();
        }
    }
}

// A thread stores rows t in words of 16 bytes. Where a tile has sixteen rows and more, neighbouring lanes exchange halves, so that one
// store of the pair covers 32 bytes of one (o₁, o): half sectors cost the L2 cache as much as whole ones.
constexpr int kWord = kTokens < 8 ? 4 : 8;
static_assert(!TERA_TRANSPOSED_OUT || kTokens >= 4, "a word is four rows t at least");
constexpr int kPair = kTokens >= 16 ? 2 : 1;
constexpr int kPart = kWord * kPair;  // rows t of one round
constexpr int kParts = kTokens / kPart;
constexpr int kRounds = TERA_CHUNKS * kOutGroups * kParts;

/// What a warpgroup does in round i: 64 rows of F, one group of eight o₁, kPart rows t.
struct Round {
    int chunk, group, token;
};

__device__ __forceinline__ constexpr Round round_of(int i)
{
    return {i / (kOutGroups * kParts), i / kParts % kOutGroups, i % kParts * kPart};
}

/// The four words (o₁, o) that a thread loads and stores in a round.
struct Words128 {
    uint2 half[4][kWord / 4];
};

/// Place of the thread's word e, after the exchange; false outside the matrix.
__device__ __forceinline__ bool word_place(const ModesArguments& p, int row, int group, int e, int token, long long& at, int& valid)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    // With pairs, words 0 and 2 are those of the even lane's o₁, 1 and 3 of the odd lane's: element (e & 1) of o₁ is folded into the round trip.
    const int quad = kPair == 2 ? ((lane & 2) | (e & 1)) : lane & 3;
    const int o1 = 8 * group + 2 * quad + (kPair == 2 ? (e >> 1 & 1) : (e & 1));
    const int o = row + 16 * warp + lane / 4;
    const int t = token + (kPair == 2 ? (lane & 1) * kWord : 0);
    at = (static_cast<long long>(o1) * kRestOut + o) * p.ld + t;
    valid = p.tokens - t;
    return o < kRestOut && o1 < kFirstOut && valid > 0;
}

/// Rows of F: the upper eight (half 0) or the lower eight (half 1) of the warp's sixteen.
__device__ __forceinline__ void fetch_added(const ModesArguments& p, int row, const Round& round, int token, int half, Words128& added)
{
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        long long at;
        int valid;
        const bool used = kPair == 2 || e < 2;
        if (TERA_ADD && used && word_place(p, row + 64 * round.chunk + 8 * half, round.group, e, token + round.token, at, valid) && valid >= kWord && p.wide) {
            const auto* from = static_cast<const unsigned short*>(p.add) + at;
            if constexpr (kWord == 8) {
                const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
                added.half[e][0] = {v.x, v.y};
                added.half[e][1] = {v.z, v.w};
            } else {
                added.half[e][0] = __ldg(reinterpret_cast<const uint2*>(from));
            }
        }
    }
}

/// The rows t beyond the last full word, one by one.
__device__ __noinline__ void store_tail(const ModesArguments& p, long long at, int valid, const float (&value)[kWord])
{
    auto* out = static_cast<unsigned short*>(p.transposed) + at;
    [[maybe_unused]] const auto* add = static_cast<const unsigned short*>(p.add) + at;
#pragma unroll
    for (int t = 0; t < kWord; ++t) {
        if (t < valid) {
            out[t] = E::encode(TERA_ADD ? value[t] + E::decode(add[t]) : value[t]);
        }
    }
}

/// One word, packed, plus what is added.
__device__ __forceinline__ void store_word(const ModesArguments& p, long long at, const float (&value)[kWord], const uint2 (&added)[kWord / 4])
{
    auto* out = static_cast<unsigned short*>(p.transposed) + at;
    uint2 words[kWord / 4];
#pragma unroll
    for (int i = 0; i < kWord / 4; ++i) {
        const float* v = value + 4 * i;
        if (TERA_ADD) {
            const unsigned x = added[i].x, y = added[i].y;
            words[i].x = E::encode2(v[0] + E::decode(static_cast<unsigned short>(x)), v[1] + E::decode(static_cast<unsigned short>(x >> 16)));
            words[i].y = E::encode2(v[2] + E::decode(static_cast<unsigned short>(y)), v[3] + E::decode(static_cast<unsigned short>(y >> 16)));
        } else {
            words[i] = {E::encode2(v[0], v[1]), E::encode2(v[2], v[3])};
        }
    }
    if constexpr (kWord == 8) {
        *reinterpret_cast<uint4*>(out) = {words[0].x, words[0].y, words[1].x, words[1].y};
    } else {
        *reinterpret_cast<uint2*>(out) = words[0];
    }
}

__device__ __forceinline__ void place_word(
    const ModesArguments& p, int row, int group, int e, int token, const float (&value)[kWord], const uint2 (&added)[kWord / 4])
{
    long long at;
    int valid;
    if (word_place(p, row, group, e, token, at, valid)) {
        if (valid >= kWord && p.wide) {
            store_word(p, at, value, added);
        } else {
            store_tail(p, at, valid, value);
        }
    }
}

/// Eight rows of F of one round: `r` holds o₁ = 2q and 2q + 1 of quad lane q for each t.
__device__ __forceinline__ void store_half(
    const ModesArguments& p, int row, int group, int token, const float (&r)[kPart][2], const Words128& added)
{
    const bool odd = threadIdx.x & 1;
#pragma unroll
    for (int c = 0; c < 2; ++c) {
        float first[kWord], second[kWord];
#pragma unroll
        for (int t = 0; t < kWord; ++t) {
            if constexpr (kPair == 2) {
                // The even lane keeps its first eight rows t and gets the odd lane's; the odd lane the second eight of both.
                const float kept = odd ? r[kWord + t][c] : r[t][c];
                const float given = __shfl_xor_sync(0xFFFFFFFFu, odd ? r[t][c] : r[kWord + t][c], 1);
                first[t] = odd ? given : kept;
                second[t] = odd ? kept : given;
            } else {
                first[t] = r[t][c];
            }
        }
        place_word(p, row, group, kPair == 2 ? 2 * c : c, token, first, added.half[kPair == 2 ? 2 * c : c]);
        if constexpr (kPair == 2) {
            place_word(p, row, group, 2 * c + 1, token, second, added.half[2 * c + 1]);
        }
    }
}

/// All of a warpgroup's part of a tile; `added` holds what the first half round needs, each later one is fetched one ahead.
__device__ __forceinline__ void store_transposed(const ModesArguments& p, int row, int token, const unsigned (&a)[TERA_CHUNKS][kRegisters / 2],
    Words128& added, const unsigned (&first)[kInBlocks][kOutGroups][2])
{
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
        const Round round = round_of(i);
        float upper[kPart][2], lower[kPart][2];
#pragma unroll
        for (int t = 0; t < kPart; ++t) {
            float r[4];
            contract_first(a[round.chunk] + (round.token + t) * kInPadded / 4, first, round.group, p.alpha, r);
            upper[t][0] = r[0];
            upper[t][1] = r[1];
            lower[t][0] = r[2];
            lower[t][1] = r[3];
        }
        Words128 next;
        fetch_added(p, row, round, token, 1, next);
        store_half(p, row + 64 * round.chunk, round.group, token + round.token, upper, added);
        if (i + 1 < kRounds) {
            fetch_added(p, row, round_of(i + 1), token, 0, added);
        }
        store_half(p, row + 64 * round.chunk + 8, round.group, token + round.token, lower, next);
    }
}

__device__ void consume(const ModesArguments& p, const Shared& s, int consumer, const unsigned (&first)[kInBlocks][kOutGroups][2])
{
    Ring<kStages> ring;
    float d[TERA_CHUNKS][kRegisters];
    const bool leader = threadIdx.x % 128 == 0;
    for (int index = blockIdx.x; index < kRowTiles * p.token_tiles; index += gridDim.x) {
        const int row = index % kRowTiles * kTileRows + (TERA_SPLIT_COLUMNS ? 0 : consumer * kWarpgroupRows);
        const int token = index / kRowTiles * kTileTokens + (TERA_SPLIT_COLUMNS ? consumer * kTokens : 0);
        Words128 added;
        fetch_added(p, row, round_of(0), token, 0, added);
        accumulate(s, row, consumer, leader, ring, d);
        unsigned a[TERA_CHUNKS][kRegisters / 2];
        pack(d, a);
#if TERA_TRANSPOSED_OUT
        store_transposed(p, row, token, a, added, first);
#else
#pragma unroll
        for (int c = 0; c < TERA_CHUNKS; ++c) {
            store_rows(p, s.staging + consumer * kStagingBytes, consumer, row + 64 * c, token, a[c], first);
        }
#endif
    }
    if (!TERA_TRANSPOSED_OUT && leader) {
        ptx::cp_async_bulk_wait_group_read<0>();
    }
}

} // namespace tera

extern "C" __global__ void __launch_bounds__(128 * (tera::kProducers + tera::kConsumers), 1) wgmma_modes(const __grid_constant__ tera::ModesArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const unsigned address = ptx::shared_address(shared), base = (address + 1023) & ~1023u;
    unsigned char* aligned = shared + (base - address);
    const Shared s = layout(base);
    auto* tables = reinterpret_cast<float*>(aligned);  // in the stages' place until the pipeline starts
    generate_tables(p, tables);
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; ++i) {
            ptx::mbarrier_init(s.full + i * 8, TERA_SOURCE == 1 ? 4 * kProducers : 1);
            ptx::mbarrier_init(s.empty + i * 8, kConsumers);
        }
        ptx::fence_mbarrier_init();
    }
    __syncthreads();
    build_factor(p, tables, aligned + (s.factor - base));
    unsigned first[kInBlocks][kOutGroups][2];
    load_first(tables, first);
    ptx::fence_proxy_async();
    __syncthreads();
    const int warpgroup = threadIdx.x / 128;
    if (warpgroup < kProducers) {
#if TERA_SOURCE == 1
        ptx::setmaxnreg_dec<56>();
        produce_core(p, s, aligned);
#else
        ptx::setmaxnreg_dec<24>();
        if (threadIdx.x == 0) {
            produce_rows(p, s);
        }
#endif
    } else {
        ptx::setmaxnreg_inc<TERA_SOURCE == 1 ? 200 : 240>();
        consume(p, s, warpgroup - kProducers, first);
    }
}
