// C = alpha·A·B + bias for products with a short side (M or N at most 256), on Hopper's own instructions (sm_90a), 16-bit operands. Their time is
// that of reading the long operand once, so everything serves the stream of it: one tile of C a block, a ring of stages deep enough to keep
// the memory busy, and K cut in parts where there are fewer tiles than multiprocessors.
//
// The kernel knows a long operand (rows: the long side) and a thin one, and computes D = long·thin, 64 rows and the whole short side for each
// warpgroup of consumers; C is D or its transpose. So a product whose M is the short side is computed transposed, and nothing is moved for it.
// The parts of a sum are the blocks of a cluster: they add up each other's tiles from shared memory, in the order of K, each a share of
// the elements. The order of every sum depends on the shape alone.
//
// What the thin operand's box does not bring (columns beyond the short side) stays as it is in shared memory: it reaches only columns of D that
// are never written.
//
// Macros: TERA_DTYPE (1 bfloat16, 2 float16), TERA_LONG_CONTIGUOUS and TERA_THIN_CONTIGUOUS (the operand's own side is contiguous in memory, not K),
// TERA_THIN (columns of D: 64, 128, 256), TERA_ROWS (of a block: 64, 128), TERA_PARTS (of K, blocks of a cluster), TERA_STAGES.
#include "gemm/output.cuh"
#include "gemm/wgmma_engine.cuh"
#include "ptx/cluster.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

struct WgmmaThinProductArguments {
    ptx::TensorMap long_operand; // boxes 64 (K) × TERA_ROWS, or 64 (long side) × 64 (K)
    ptx::TensorMap thin_operand; // boxes 64 (K) × the short side, or 64 (short side) × 64 (K)
    void* c;          // m×n, the operands' dtype or float32
    const void* add;  // m×n as C, C itself or another, or null
    const void* bias; // n elements of the operands' dtype, or null
    i64 m, n;
    float alpha;
    int single; // C is float32
    int k, part_length;
    int thin_boxes; // copies that bring a stage of the thin operand
    int thin_bytes; // and what they bring together
    int transposed; // C is Dᵀ
};

constexpr int kThin = TERA_THIN, kRows = TERA_ROWS, kStages = TERA_STAGES;
constexpr int kConsumers = kRows / 64;
constexpr int kLongBytes = kRows * kDepth * 2, kThinBytes = kThin * kDepth * 2;
constexpr int kAccumulators = kThin / 2;
constexpr int kConsumerThreads = 128 * kConsumers;
constexpr int kThreads = kConsumerThreads + 32; // consumers, and the producer's warp
constexpr int kBlocksOfProcessor = kStages * (kLongBytes + kThinBytes) < 112 * 1024 ? 2 : 1;

struct Shared {
    unsigned long_operand, thin_operand, full, empty;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.long_operand = base;
    s.thin_operand = s.long_operand + kStages * kLongBytes;
    s.full = s.thin_operand + kStages * kThinBytes;
    s.empty = s.full + kStages * 8;
    return s;
}

/// What a block computes: rows of D from `row`, over K from `begin` to `end`.
struct Work {
    int row, begin, end;
};

/// The thin operand's part of a stage: one box of all its rows where K is contiguous, otherwise boxes of 64 that reach to its end.
__device__ __forceinline__ void load_thin(const WgmmaThinProductArguments& p, unsigned to, int k, unsigned barrier)
{
    if (TERA_THIN_CONTIGUOUS) {
        for (int i = 0; i < p.thin_boxes; ++i) {
            ptx::cp_async_bulk_tensor_2d_load(to + i * kBoxBytes, &p.thin_operand, 64 * i, k, barrier);
        }
    } else {
        ptx::cp_async_bulk_tensor_2d_load(to, &p.thin_operand, k, 0, barrier);
    }
}

__device__ void produce(const WgmmaThinProductArguments& p, const Shared& s, const Work& work)
{
    Ring<kStages> ring;
    for (int k = work.begin; k < work.end; k += kDepth) {
        ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
        const unsigned barrier = s.full + ring.stage * 8;
        ptx::mbarrier_arrive_expect_tx(barrier, kLongBytes + p.thin_bytes);
        load_operand<kRows, TERA_LONG_CONTIGUOUS>(s.long_operand + ring.stage * kLongBytes, &p.long_operand, work.row, k, barrier);
        load_thin(p, s.thin_operand + ring.stage * kThinBytes, k, barrier);
        ring.advance();
    }
}

/// D (64 rows) = A·B + (scale_d ? D : 0) for one slice of K.
template <int Registers>
__device__ __forceinline__ void multiply_rows(float (&d)[Registers], unsigned long long a, unsigned long long b, int scale_d)
{
    if constexpr (Registers > 32) {
        multiply_slice<TERA_DTYPE, TERA_LONG_CONTIGUOUS, TERA_THIN_CONTIGUOUS>(d, a, b, scale_d);
    } else if constexpr (TERA_DTYPE == kBFloat16) {
        ptx::wgmma_m64n64k16_bf16<TERA_LONG_CONTIGUOUS, TERA_THIN_CONTIGUOUS>(d, a, b, scale_d);
    } else {
        ptx::wgmma_m64n64k16_f16<TERA_LONG_CONTIGUOUS, TERA_THIN_CONTIGUOUS>(d, a, b, scale_d);
    }
}

/// The consumer's 64 rows of D: a stage is freed once the wgmma of the next one are running.
__device__ __forceinline__ void accumulate_rows(const Shared& s, const Work& work, int consumer, float (&d)[kAccumulators])
{
    Ring<kStages> ring;
    const bool leader = threadIdx.x % 128 == 0;
    unsigned previous = 0;
    for (int k = work.begin; k < work.end; k += kDepth) {
        ptx::mbarrier_wait_parity(s.full + ring.stage * 8, ring.parity);
        const unsigned a = s.long_operand + ring.stage * kLongBytes + consumer * kBoxBytes, b = s.thin_operand + ring.stage * kThinBytes;
        ptx::wgmma_fence();
#pragma unroll
        for (int i = 0; i < kDepth / 16; ++i) {
            multiply_rows(d, descriptor<TERA_LONG_CONTIGUOUS>(a + i * kSlice<TERA_LONG_CONTIGUOUS>),
                descriptor<TERA_THIN_CONTIGUOUS>(b + i * kSlice<TERA_THIN_CONTIGUOUS>), k > work.begin || i > 0);
        }
        ptx::wgmma_commit_group();
        ptx::wgmma_wait_group<1>();
        if (k > work.begin && leader) {
            ptx::mbarrier_arrive(previous);
        }
        previous = s.empty + ring.stage * 8;
        ring.advance();
    }
    ptx::wgmma_wait_group<0>();
}

/// Adds alpha times the sum of all parts of four neighbours.
__device__ __forceinline__ void add_parts(float alpha, unsigned address, float (&values)[4])
{
    float4 sum = {};
#pragma unroll
    for (int part = 0; part < TERA_PARTS; ++part) {
        const float4 four = ptx::ld_shared_cluster_v4(ptx::mapa(address, part));
        sum.x += four.x, sum.y += four.y, sum.z += four.z, sum.w += four.w;
    }
    values[0] = fmaf(alpha, sum.x, values[0]), values[1] = fmaf(alpha, sum.y, values[1]);
    values[2] = fmaf(alpha, sum.z, values[2]), values[3] = fmaf(alpha, sum.w, values[3]);
}

/// The block's tile as float32 in shared memory, in the ring's place, the way C lies; a few words more a row, against bank conflicts.
template <bool Transposed>
struct Staging {
    static constexpr int kTileRows = Transposed ? kThin : kRows, kTileColumns = Transposed ? kRows : kThin;
    static constexpr int kStride = kTileColumns + (Transposed ? 4 : 8);
    static_assert(kTileRows * kStride * 4 <= kStages * (kLongBytes + kThinBytes), "the ring has room for the tile");

    static __device__ __forceinline__ void write(float* tile, const float (&d)[kAccumulators])
    {
        const int thread = threadIdx.x, lane = thread % 32, row = thread / 32 * 16 + lane / 4, column = 2 * (lane % 4);
        float* to = tile + (Transposed ? column * kStride + row : row * kStride + column);
#pragma unroll
        for (int i = 0; i < kAccumulators; ++i) {
            const int down = (i & 2) << 2, along = 8 * (i / 4) + (i & 1);
            to[Transposed ? along * kStride + down : down * kStride + along] = d[i];
        }
    }

    /// Adds up the parts' tiles, this block its share of the elements, and writes them to C: a few groups of four neighbours a thread at
    /// a time, so that what is read of C and bias for all of them is under way before the first is written.
    template <int To>
    static __device__ __forceinline__ void finish(const WgmmaThinProductArguments& p, unsigned tile, const Work& work)
    {
        constexpr int kGroups = kTileColumns / 4, kStep = TERA_PARTS * kConsumerThreads;
        constexpr int kAtOnce = kTileRows * kGroups / kStep < 4 ? kTileRows * kGroups / kStep : 4;
        static_assert(kAtOnce > 0 && kTileRows * kGroups % (kAtOnce * kStep) == 0, "every thread has the same number of groups");
        const bool whole = p.n % 4 == 0;
        const i64 first_m = Transposed ? 0 : work.row, first_n = Transposed ? work.row : 0, offset = first_m * p.n + first_n;
        auto* c = static_cast<typename Element<To>::Storage*>(p.c) + offset;
        const auto* added = static_cast<const typename Element<To>::Storage*>(p.add) + offset;
        const auto* bias = static_cast<const typename Element<TERA_DTYPE>::Storage*>(p.bias) + first_n;
#pragma unroll 1
        for (int first = blockIdx.y * kConsumerThreads + threadIdx.x; first < kTileRows * kGroups; first += kAtOnce * kStep) {
            float values[kAtOnce][4] = {};
            int rows[kAtOnce], columns[kAtOnce], counts[kAtOnce];
#pragma unroll
            for (int i = 0; i < kAtOnce; ++i) {
                const int number = first + i * kStep;
                rows[i] = number / kGroups, columns[i] = number % kGroups * 4;
                counts[i] = first_m + rows[i] < p.m ? static_cast<int>(min(p.n - first_n - columns[i], static_cast<i64>(4))) : 0;
                if (counts[i] > 0 && p.add != nullptr) {
                    gemm::Row<To>::add(added + rows[i] * p.n + columns[i], values[i], whole, counts[i]);
                }
                if (counts[i] > 0 && p.bias != nullptr) {
                    gemm::Row<TERA_DTYPE>::add(bias + columns[i], values[i], whole, counts[i]);
                }
            }
#pragma unroll
            for (int i = 0; i < kAtOnce; ++i) {
                if (counts[i] > 0) {
                    add_parts(p.alpha, tile + (rows[i] * kStride + columns[i]) * 4, values[i]);
                    gemm::Row<To>::store(c + rows[i] * p.n + columns[i], values[i], whole, counts[i]);
                }
            }
        }
    }
};

/// All threads of the cluster's consumers: the tiles are written, or read.
__device__ __forceinline__ void meet()
{
    if (TERA_PARTS > 1) {
        ptx::barrier_cluster_arrive();
        ptx::barrier_cluster_wait();
    } else {
        ptx::bar_sync(1, kConsumerThreads);
    }
}

template <bool Transposed>
__device__ __forceinline__ void write_tile(const WgmmaThinProductArguments& p, unsigned char* ring, const Work& work, const float (&d)[kAccumulators])
{
    ptx::bar_sync(1, kConsumerThreads); // no consumer multiplies from the ring any more
    Staging<Transposed>::write(reinterpret_cast<float*>(ring), d);
    meet();
    const unsigned tile = ptx::shared_address(ring);
    if (p.single) {
        Staging<Transposed>::template finish<kFloat32>(p, tile, work);
    } else {
        Staging<Transposed>::template finish<TERA_DTYPE>(p, tile, work);
    }
    if (TERA_PARTS > 1) {
        meet(); // no block ends while others read its tile
    }
}

} // namespace tera

extern "C" __global__ void __cluster_dims__(1, TERA_PARTS, 1) __launch_bounds__(tera::kThreads, tera::kBlocksOfProcessor)
    wgmma_thin_product(const __grid_constant__ tera::WgmmaThinProductArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const unsigned start = ptx::shared_address(shared), base = (start + 1023) & ~1023u;
    const Shared s = layout(base);
    if (threadIdx.x == 0) {
        init_ring<kStages>(s.full, s.empty, kConsumers);
        fence_barriers();
    } else if (threadIdx.x == kConsumerThreads) {
        ptx::prefetch_tensormap(&p.long_operand);
        ptx::prefetch_tensormap(&p.thin_operand);
    }
    __syncthreads();
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const int begin = blockIdx.y * p.part_length;
    const Work work{static_cast<int>(blockIdx.x) * kRows, begin, min(p.k, begin + p.part_length)};
    if (threadIdx.x >= kConsumerThreads) {
        if (threadIdx.x == kConsumerThreads) {
            produce(p, s, work);
        }
        return;
    }
    float d[kAccumulators];
    accumulate_rows(s, work, threadIdx.x / 128, d);
    if (p.transposed) {
        write_tile<true>(p, shared + (base - start), work, d);
    } else {
        write_tile<false>(p, shared + (base - start), work, d);
    }
}
