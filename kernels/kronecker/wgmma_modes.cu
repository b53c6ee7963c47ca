// All modes of a Kronecker product in one pass over memory, on Hopper's own instructions (sm_90a), 16-bit operands:
//
//   out[t, o₁, o] = alpha · Σ_{i₁} F₁[o₁, i₁] · Σ_i F[o, i] · in[t, i₁, i]        F = F₂ ⊗ F₃ ⊗ …, rounded once
//
// for every row t: P = X·V, Q = dY·U, the expansions back, and both halves of W0 + α·ΔW. The first mode stands alone, the others are
// multiplied out into one small dense matrix that stays in shared memory as the A operand of wgmma; the rows of the input stream through as
// its B operand, (t, i₁) being the columns. The accumulators then hold i₁ along their columns, which is the layout of an A fragment
// of mma: the first mode is contracted straight from the registers (rounded to 16 bits once on the way), nothing is moved.
//
// Trained vectors on the input side scale F₁ and F. Results go out as rows (modes_rows.cuh), or transposed, out[(o₁, o), t], with W0 added
// (TERA_TRANSPOSED_OUT, TERA_ADD; modes_units.cuh, modes_words.cuh), or not at all: only the sums of their products with another matrix, over rows and over
// columns (TERA_MARGINALS, modes_marginals.cuh). Rows come and go through the copy engine, which one warp feeds; it fills all stages while the others make
// the factors (modes_factors.cuh), and all of that may overlap the kernel before.
//
// Macros: TERA_DTYPE (1, 2); TERA_TRANSPOSED_OUT, TERA_ADD, TERA_MARGINALS (0, 1); TERA_CHUNKS (64-row blocks of F a warpgroup holds at once);
// TERA_SPLIT_COLUMNS (1: the warpgroups share F's rows and split the tile's columns; 0: the other way round); TERA_COLUMNS (of a warpgroup's tile, a multiple of
// 128); TERA_STAGES; TERA_PREPARED (0, 1: F and F₁ lie in memory; not for rows out); TERA_MODES_IN, TERA_MODES_OUT (the modes' lengths before and after, the first
// mode first and at most 64).
#include "kronecker/modes_factors.cuh"
#include "kronecker/modes_stores.cuh"

namespace tera {

/// The boxes of the input that a block works through: 64 of i, one pass of columns, one tile after another.
struct Boxes {
    int index, pass = 0, k = 0;
    bool factor = true; // the first pass brings F, too, its columns of the same 64 of i with every box

    __device__ __forceinline__ bool any(const ModesArguments& p) const { return index < last_tile(p); }

    __device__ __forceinline__ void advance()
    {
        if ((k += 64) == kRestIn) {
            k = 0;
            factor = false;
            if (++pass == kPasses * kRounds) {
                pass = 0;
                index += tile_step();
            }
        }
    }
};

/// Brings a box of the input, first row t `token`. The input of transposed rows is scratch that nobody reads again but the blocks with F's other rows: where blocks have few
/// tiles these read it at the same time, and L2 is to keep what is written instead. In longer runs they drift apart, and the later ones would read memory.
__device__ __forceinline__ void load_input(const ModesArguments& p, unsigned to, const Boxes& boxes, int token, unsigned full)
{
    if (TERA_TRANSPOSED_OUT && kRowTiles * p.token_tiles <= kFewTiles * static_cast<int>(gridDim.x)) {
        ptx::cp_async_bulk_tensor_3d_load_cache_hint(to, &p.input, boxes.k, 0, token, full, ptx::createpolicy_evict_first());
    } else {
        ptx::cp_async_bulk_tensor_3d_load(to, &p.input, boxes.k, 0, token, full);
    }
}

/// Fills at most `limit` stages, each when it is empty. Rows and i₁ outside read as zero. Of a block's boxes, the first ones may be among them or not.
template <bool First>
__device__ __forceinline__ void produce(const ModesArguments& p, const Shared& s, Ring<kStages>& ring, Boxes& boxes, int limit)
{
    for (int i = 0; i < limit && boxes.any(p); ++i) {
        const bool factor = TERA_PREPARED && First && boxes.factor;
        const unsigned full = s.full + ring.stage * 8;
        ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
        ptx::mbarrier_arrive_expect_tx(full, kStageBytes + (factor ? kFactorBoxBytes : 0));
#pragma unroll
        for (int part = 0; part < kColumnParts; ++part) {
            load_input(p, s.stages + ring.stage * kStageBytes + part * kPartBytes, boxes, first_token(boxes.index, part) + boxes.pass * kPassTokens, full);
        }
        if (factor) {
            ptx::cp_async_bulk_tensor_2d_load(s.factor + boxes.k / 64 * kFactorBoxBytes, &p.rest, boxes.k, first_row(blockIdx.x), full);
        }
        ring.advance();
        boxes.advance();
    }
}

/// d[chunk] = F rows · columns of one pass; `factor` and `columns` are the warpgroup's parts.
__device__ __forceinline__ void accumulate(
    const Shared& s, unsigned factor, unsigned columns, bool leader, Ring<kStages>& ring, float (&d)[kChunks][kRegisters])
{
    unsigned previous = 0;
    for (int k = 0; k < kRestIn; k += 64) {
        ptx::mbarrier_wait_parity(s.full + ring.stage * 8, ring.parity);
        const unsigned a = factor + k / 64 * kFactorBoxBytes;
        const unsigned b = s.stages + ring.stage * kStageBytes + columns;
        ptx::wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
            for (int c = 0; c < kChunks; ++c) {
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

__device__ __forceinline__ void consume(const ModesArguments& p, const Shared& s, int consumer)
{
    const int rows = TERA_SPLIT_COLUMNS ? 0 : consumer * kWarpgroupRows, part = TERA_SPLIT_COLUMNS ? consumer : 0;
    const bool leader = threadIdx.x % 128 == 0;
    Ring<kStages> ring;
    Stores stores(p, s, consumer, part, first_row(blockIdx.x) + rows);
    for (int index = first_tile(p); index < last_tile(p); index += tile_step()) {
        const int row = first_row(index) + rows;
        const unsigned factor = s.factor + (kKeepsRows ? rows : row) * 128;
        stores.begin(first_token(index, part));
#pragma unroll 1
        for (int round = 0; round < kRounds; ++round) {
            unsigned a[kChunks * kPasses][kRegisters / 2];
#pragma unroll
            for (int pass = 0; pass < kPasses; ++pass) {
                float d[kChunks][kRegisters];
                accumulate(s, factor, part * kPartBytes, leader, ring, d);
#pragma unroll
                for (int c = 0; c < kChunks; ++c) {
                    pack(d[c], a[pass + c]);
                }
            }
            stores.store(row, first_token(index, part) + round * kTokens, a);
        }
    }
    stores.finish();
}

__device__ __forceinline__ void initialise_barriers(const Shared& s)
{
    for (int i = 0; i < kStages; ++i) {
        ptx::mbarrier_init(s.full + i * 8, 1);
        ptx::mbarrier_init(s.empty + i * 8, kConsumers);
    }
    for (int i = 0; TERA_ADD && i < kConsumers * 4 * kBuffers; ++i) {
        ptx::mbarrier_init(s.arrived + i * 8, 1);
    }
    for (int i = 0; TERA_MARGINALS && i < kConsumers * kBuffers; ++i) {
        ptx::mbarrier_init(s.arrived + i * 8, 1);
        ptx::mbarrier_init(s.used + i * 8, 4);
    }
    ptx::fence_mbarrier_init();
}

} // namespace tera

extern "C" __global__ void __launch_bounds__(tera::kThreads, 1) wgmma_modes(const __grid_constant__ tera::ModesArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const unsigned address = ptx::shared_address(shared);
    const Shared s = layout((address + 1023) & ~1023u);
    unsigned char* memory = shared - address;  // at a shared address of 0
    Ring<kStages> ring;
    Boxes boxes{first_tile(p)};
    if (threadIdx.x == 0) {
        initialise_barriers(s);
        ptx::griddepcontrol_wait();
        produce<true>(p, s, ring, boxes, kStages - kTableStages);
#if TERA_TRANSPOSED_OUT
        fetch_first_added(p, s);
#endif
    } else if (threadIdx.x >= 32) {
        constexpr int threads = kThreads - 32;
        const int thread = threadIdx.x - 32;
        auto* first = reinterpret_cast<uint2*>(memory + s.first);
#if TERA_PREPARED
        ptx::griddepcontrol_wait();
        load_first_mode(p.first, first, thread, threads);
#else
        auto* tables = reinterpret_cast<float*>(memory + s.tables);
        generate_tables(p, tables, thread, threads);
        ptx::bar_sync(1, threads);
        build_factor<threads>(p, tables, memory + s.factor, kKeepsRows ? first_row(blockIdx.x) : 0, thread);
        build_first(tables, first, thread, threads);
        ptx::fence_proxy_async();
#endif
    }
    ptx::griddepcontrol_wait();
    __syncthreads();
    ptx::griddepcontrol_launch_dependents();
    const int warpgroup = threadIdx.x / 128;
    if (warpgroup == 0) {
        ptx::setmaxnreg_dec<24>();
        if (threadIdx.x == 0) {
            produce<(kStages < kRestIn / 64)>(p, s, ring, boxes, 0x7FFFFFFF);
        }
#if TERA_MARGINALS
        if (threadIdx.x >= 64 && threadIdx.x % 32 == 0) {
            fetch_rows(p, s, threadIdx.x / 32 - 2);
        }
#endif
    } else {
        ptx::setmaxnreg_inc<240>();
        consume(p, s, warpgroup - 1);
    }
}
