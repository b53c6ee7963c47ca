// What becomes of a tile of kernels/kronecker/wgmma_modes.cu where only sums are wanted: the results times another matrix's rows of the same shape
// (out ∘ core), added up over rows and over columns and never written,
//   row_partial[(row tile, warp)][t] = Σ_{o₁, o} out∘core · column_scale[o₁, o]      column_partial[group][o₁, o] = Σ_t out∘core · row_scale[t]
//
// The other matrix comes through the copy engine in boxes of kStoreTokens rows t × all o₁ × 64 of o, a ring of buffers for each warpgroup, fed by a warp of its
// own. A thread meets the same columns in every tile: their sums and scales stay in its registers. kernels/gemm/core_projection_sum.cu adds the
// partial sums. Which terms a partial sum has, and in which order, follows from the shape alone.
#pragma once

#include "kronecker/modes_first.cuh"

namespace tera {

/// Feeds one warpgroup's ring of buffers, in the order in which MarginalSums reads them.
__device__ __forceinline__ void fetch_rows(const ModesArguments& p, const Shared& s, int consumer)
{
    const int part = TERA_SPLIT_COLUMNS ? consumer : 0, row = first_row(blockIdx.x) + (TERA_SPLIT_COLUMNS ? 0 : consumer * kWarpgroupRows);
    const unsigned staging = s.staging + consumer * kStagingBytes, barriers = consumer * kBuffers * 8;
    Ring<kBuffers> ring;
    for (int index = first_tile(p); index < last_tile(p); ++index) {
        for (int box = 0; box < kChunks * (kTokens / kStoreTokens); ++box) {
            const unsigned arrived = s.arrived + barriers + ring.stage * 8;
            ptx::mbarrier_wait_parity(s.used + barriers + ring.stage * 8, ring.parity ^ 1);
            ptx::mbarrier_arrive_expect_tx(arrived, kStoreBytes);
            ptx::cp_async_bulk_tensor_3d_load(staging + ring.stage * kStoreBytes, &p.added, row + box % kChunks * 64, 0,
                first_token(index, part) + box / kChunks * kStoreTokens, arrived);
            ring.advance();
        }
    }
}

// Scales of longer first modes are read again each time.
constexpr bool kScalesKept = kChunks * kOutGroups <= 6;

struct MarginalSums {
    const ModesArguments& p;
    const Shared& s;
    int consumer, warp, row;                  // of the warpgroup; among those of a row tile; the thread's first row of F
    Ring<kBuffers> ring;
    float scale[kScalesKept ? kChunks : 1][kScalesKept ? kOutGroups : 1][4];  // of the thread's columns, as contract_first has them
    float sum[kChunks][kOutGroups][4];
    float row_scale[kTokens];

    __device__ MarginalSums(const ModesArguments& arguments, const Shared& layout, int which, int, int first)
        : p(arguments), s(layout), consumer(which), warp((TERA_SPLIT_COLUMNS ? 0 : which * 4) + threadIdx.x % 128 / 32),
          row(first + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4)
    {
        visit_columns([&](int c, int g, int i, int column) {
            if (kScalesKept) {
                scale[c][g][i] = column < 0 ? 0 : p.column_scale[column];
            }
            sum[c][g][i] = 0;
        });
    }

    /// The scales of a tile's rows, asked for before they are needed.
    __device__ __forceinline__ void begin(int token)
    {
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
            row_scale[t] = token + t < p.tokens ? p.row_scale[token + t] : 0;
        }
    }

    /// One tile's part: a[chunk] are 64 rows of F.
    __device__ __forceinline__ void store(int, int token, const unsigned (&a)[kChunks * kPasses][kRegisters / 2])
    {
        float rows[kTokens];
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
            rows[t] = 0;
        }
#pragma unroll
        for (int t0 = 0; t0 < kTokens; t0 += kStoreTokens) {
#pragma unroll
            for (int c = 0; c < kChunks; ++c) {
                const unsigned buffer = consumer * kBuffers + ring.stage;
                ptx::mbarrier_wait_parity(s.arrived + buffer * 8, ring.parity);
                add_box(s.staging + buffer * kStoreBytes, c, t0, a[c], rows);
                __syncwarp();
                if (threadIdx.x % 32 == 0) {
                    ptx::mbarrier_arrive(s.used + buffer * 8);
                }
                ring.advance();
            }
        }
        store_rows(token, rows);
    }

    /// The sums over the block's rows t.
    __device__ __forceinline__ void finish()
    {
        // Warpgroups that split the rows t have partial sums of their own.
        const int group = TERA_SPLIT_COLUMNS ? blockIdx.x / kRowTiles * kConsumers + consumer : blockIdx.x / kRowTiles;
        float* partial = p.column_partial + static_cast<long long>(group) * kFirstOut * kRestOut;
        visit_columns([&](int c, int g, int i, int column) {
            if (column >= 0) {
                partial[column] = sum[c][g][i];
            }
        });
    }

private:
    /// The thread's column (o₁, o) for a number of contract_first, or -1.
    __device__ __forceinline__ int column(int c, int g, int i) const
    {
        const int o1 = 8 * g + threadIdx.x % 4 * 2 + i % 2, o = row + 64 * c + i / 2 * 8;
        return o1 < kFirstOut && o < kRestOut ? o1 * kRestOut + o : -1;
    }

    __device__ __forceinline__ float scale_of(int c, int g, int i) const
    {
        if constexpr (kScalesKept) {
            return scale[c][g][i];
        }
        const int at = column(c, g, i);
        return at < 0 ? 0 : p.column_scale[at];
    }

    /// Calls visit(chunk, group, number, column) for each of the thread's columns; -1 is none.
    template <class Visit>
    __device__ __forceinline__ void visit_columns(const Visit& visit)
    {
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
#pragma unroll
            for (int g = 0; g < kOutGroups; ++g) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    visit(c, g, i, column(c, g, i));
                }
            }
        }
    }

    __device__ __forceinline__ void add_box(unsigned box, int c, int t0, const unsigned (&a)[kRegisters / 2], float (&rows)[kTokens])
    {
        const int lane = threadIdx.x % 32, chunk = threadIdx.x % 128 / 32 * 2 + lane / 8 % 2;
#pragma unroll
        for (int g = 0; g < kOutGroups; g += 2) {
            // Matrices 0 and 1 of an ldmatrix are group g, 2 and 3 the next, or g again where there is none.
            const int mine = lane < 16 || g + 1 == kOutGroups ? g : g + 1;
            uint2 first[2][kInBlocks];
            load_first(s, g, first[0]);
            if (g + 1 < kOutGroups) {
                load_first(s, g + 1, first[1]);
            }
#pragma unroll
            for (int t = 0; t < kStoreTokens; ++t) {
                unsigned core[4];
                ptx::ldmatrix_x4_trans(core, box + swizzled(t * kOut + 8 * mine + lane % 8, chunk));
#pragma unroll
                for (int h = 0; h < 2 && g + h < kOutGroups; ++h) {
                    float r[4];
                    const unsigned* d = a + (t0 + t) * kInPadded / 4;
                    contract_first(d, d + 1, first[h], r);
#pragma unroll
                    for (int i = 0; i < 4; ++i) {
                        const unsigned word = core[2 * h + i / 2];
                        const float x = r[i] * E::decode(static_cast<unsigned short>(i % 2 == 0 ? word : word >> 16));
                        rows[t0 + t] = fmaf(x, scale_of(c, g + h, i), rows[t0 + t]);
                        sum[c][g + h][i] = fmaf(x, row_scale[t0 + t], sum[c][g + h][i]);
                    }
                }
            }
        }
    }

    /// Adds each row over the warp; every step leaves a lane half of its rows, until it has one.
    __device__ __forceinline__ void store_rows(int token, float (&rows)[kTokens])
    {
        const int lane = threadIdx.x % 32;
        int t = 0;
#pragma unroll
        for (int distance = 16, count = kTokens; distance > 0; distance /= 2) {
            const bool upper = lane & distance;
            if (count > 1) {
                count /= 2;
                t = 2 * t + upper;
#pragma unroll
                for (int i = 0; i < count; ++i) {
                    const float sent = upper ? rows[i] : rows[i + count], kept = upper ? rows[i + count] : rows[i];
                    rows[i] = kept + __shfl_xor_sync(0xFFFFFFFFu, sent, distance);
                }
            } else {
                rows[0] += __shfl_xor_sync(0xFFFFFFFFu, rows[0], distance);
            }
        }
        if (lane % (32 / kTokens) == 0 && token + t < p.tokens) {
            const int layer = blockIdx.x % kRowTiles * (TERA_SPLIT_COLUMNS ? 4 : 8) + warp;
            p.row_partial[static_cast<long long>(layer) * p.tokens + token + t] = rows[0];
        }
    }
};

} // namespace tera
