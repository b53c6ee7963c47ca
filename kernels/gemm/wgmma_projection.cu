// The gradients of the core's diagonals on Hopper's own instructions (sm_90a), 16-bit operands: H = Qᵀ·P (R×S) tile by tile by wgmma,
// never stored; the accumulators are multiplied by the regenerated core where they are, and summed along rows and columns.
//   row_gradient[r]    = alpha · Σ_s H[r, s]·G[r, s]·column_scale[s]
//   column_gradient[s] = alpha · Σ_r H[r, s]·G[r, s]·row_scale[r]
//
// The main loop is that of wgmma_product.cu with both operands along the tokens: a producer warp, a ring of stages, two consumers with 64×256
// of a tile each. Work is a list of (part of the tokens, tile); every part of a tile writes partial sums of its own, and
// core_projection_sum.cu adds those. The order of every sum depends on the shape alone.
//
// Macros: TERA_DTYPE (1 bfloat16, 2 float16), TERA_DISTRIBUTION (of the core).
#include "gemm/wgmma_engine.cuh"
#include "random/distributions.cuh"

namespace tera {

struct WgmmaProjectionArguments {
    ptx::TensorMap q; // tokens × R, boxes 64 (R) × 64 (tokens)
    ptx::TensorMap p; // tokens × S, the same
    const float* row_scale;
    const float* column_scale;
    float* row_partial;    // (parts·tiles_n) × R
    float* column_partial; // (parts·tiles_m) × S
    RandomSource core;
    int rows, columns, tokens; // R, S, B
    int part_length;           // of the tokens, a multiple of the stage's depth
    int tiles_m, tiles_n, parts;
};

constexpr int kTileM = 128, kTileN = 256, kTileK = 64;
constexpr int kStages = 4;
constexpr int kConsumers = 2;
constexpr int kBytesA = kTileM * kTileK * 2, kBytesB = kTileN * kTileK * 2;
constexpr int kAccumulators = kTileN / 2;
constexpr int kColumnWarps = 4 * kConsumers;

struct Shared {
    unsigned a, b, column_sums, full, empty;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.a = base;
    s.b = s.a + kStages * kBytesA;
    s.column_sums = s.b + kStages * kBytesB;
    s.full = s.column_sums + kColumnWarps * kTileN * 4;
    s.empty = s.full + kStages * 8;
    return s;
}

struct Item {
    int m, n, tile_m, tile_n, part, begin, end;
};

/// Tiles of one part stand together: they read the same tokens.
__device__ __forceinline__ Item item_of(int index, const WgmmaProjectionArguments& p)
{
    const int tiles = p.tiles_m * p.tiles_n;
    Item item;
    item.part = index / tiles;
    const int tile = index % tiles;
    item.tile_m = tile % p.tiles_m;
    item.tile_n = tile / p.tiles_m;
    item.m = item.tile_m * kTileM;
    item.n = item.tile_n * kTileN;
    item.begin = item.part * p.part_length;
    item.end = min(p.tokens, item.begin + p.part_length);
    return item;
}

__device__ void produce(const WgmmaProjectionArguments& p, const Shared& s)
{
    Ring<kStages> ring;
    const int items = p.tiles_m * p.tiles_n * p.parts;
    for (int index = blockIdx.x; index < items; index += gridDim.x) {
        const Item item = item_of(index, p);
        for (int k = item.begin; k < item.end; k += kTileK) {
            ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
            const unsigned barrier = s.full + ring.stage * 8;
            ptx::mbarrier_arrive_expect_tx(barrier, kBytesA + kBytesB);
#pragma unroll
            for (int i = 0; i < kTileM / 64; ++i) {
                ptx::cp_async_bulk_tensor_2d_load(s.a + ring.stage * kBytesA + i * kBoxBytes, &p.q, item.m + 64 * i, k, barrier);
            }
#pragma unroll
            for (int i = 0; i < kTileN / 64; ++i) {
                ptx::cp_async_bulk_tensor_2d_load(s.b + ring.stage * kBytesB + i * kBoxBytes, &p.p, item.n + 64 * i, k, barrier);
            }
            ring.advance();
        }
    }
}

/// H of one part, as in wgmma_product.cu.
__device__ __forceinline__ void accumulate_item(
    const Shared& s, const Item& item, int consumer, bool leader, Ring<kStages>& ring, float (&d)[kAccumulators])
{
    unsigned previous = 0;
    for (int k = item.begin; k < item.end; k += kTileK) {
        ptx::mbarrier_wait_parity(s.full + ring.stage * 8, ring.parity);
        const unsigned a = s.a + ring.stage * kBytesA + consumer * kBoxBytes, b = s.b + ring.stage * kBytesB;
        ptx::wgmma_fence();
#pragma unroll
        for (int i = 0; i < kTileK / 16; ++i) {
            multiply_slice<TERA_DTYPE, true, true>(
                d, descriptor<true>(a + i * kSlice<true>), descriptor<true>(b + i * kSlice<true>), k > item.begin || i > 0);
        }
        ptx::wgmma_commit_group();
        ptx::wgmma_wait_group<1>();
        if (k > item.begin && leader) {
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

/// Exchanges pairs with the neighbours of a quad of lanes so that lane c's pair j becomes lane j's pair c.
__device__ __forceinline__ void transpose_quad(float (&v)[8])
{
    const int lane = threadIdx.x;
#pragma unroll
    for (int bit = 1; bit <= 2; bit *= 2) {
        const bool high = lane & bit;
#pragma unroll
        for (int a = 0; a < 4; ++a) {
            if ((a & bit) == 0) {
                const int b = a | bit;
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const float received = __shfl_xor_sync(0xFFFFFFFFu, high ? v[2 * a + e] : v[2 * b + e], bit);
                    v[2 * a + e] = high ? received : v[2 * a + e];
                    v[2 * b + e] = high ? v[2 * b + e] : received;
                }
            }
        }
    }
}

/// Multiplies 32 columns of the thread's two rows by G: each lane generates eight neighbours of a row, the quad exchanges them.
__device__ __forceinline__ void multiply_core(const WgmmaProjectionArguments& p, int row, int column, float* d)
{
    const int quad = threadIdx.x % 4;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        float g[8];
        Factor<TERA_DISTRIBUTION>::template consecutive<8>(p.core, static_cast<u64>(row + 8 * h) * p.columns + column + 8 * quad, g);
        transpose_quad(g);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            d[4 * j + 2 * h] *= g[2 * j];
            d[4 * j + 2 * h + 1] *= g[2 * j + 1];
        }
    }
}

/// Σ over the eight lanes that hold the same columns.
__device__ __forceinline__ float sum_rows_of_warp(float value)
{
    value += __shfl_xor_sync(0xFFFFFFFFu, value, 4);
    value += __shfl_xor_sync(0xFFFFFFFFu, value, 8);
    return value + __shfl_xor_sync(0xFFFFFFFFu, value, 16);
}

/// H ∘ G of 64×256, its row sums to memory, and the column sums of the warp's sixteen rows to shared memory.
__device__ __forceinline__ void reduce(const WgmmaProjectionArguments& p, const Item& item, int consumer, float* column_sums, float (&d)[kAccumulators])
{
    const int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
    const int row = item.m + 64 * consumer + 16 * warp + lane / 4;
    const float upper_scale = row < p.rows ? p.row_scale[row] : 0, lower_scale = row + 8 < p.rows ? p.row_scale[row + 8] : 0;
    float upper = 0, lower = 0;
#pragma unroll
    for (int q = 0; q < kTileN / 32; ++q) {
        multiply_core(p, row, item.n + 32 * q, d + 16 * q);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const int in_tile = 32 * q + 8 * j + 2 * (lane % 4) + e, column = item.n + in_tile;
                const float* h = d + 16 * q + 4 * j + e;
                const float scale = column < p.columns ? p.column_scale[column] : 0;
                upper = fmaf(h[0], scale, upper);
                lower = fmaf(h[2], scale, lower);
                const float sum = sum_rows_of_warp(fmaf(h[0], upper_scale, h[2] * lower_scale));
                if (lane < 4) {
                    column_sums[(4 * consumer + warp) * kTileN + in_tile] = sum;
                }
            }
        }
    }
#pragma unroll
    for (int bit = 1; bit <= 2; bit *= 2) {
        upper += __shfl_xor_sync(0xFFFFFFFFu, upper, bit);
        lower += __shfl_xor_sync(0xFFFFFFFFu, lower, bit);
    }
    float* rows = p.row_partial + static_cast<long long>(item.part * p.tiles_n + item.tile_n) * p.rows;
    if (lane % 4 == 0 && row < p.rows) {
        rows[row] = upper;
    }
    if (lane % 4 == 0 && row + 8 < p.rows) {
        rows[row + 8] = lower;
    }
}

__device__ void consume(const WgmmaProjectionArguments& p, const Shared& s, int consumer, float* column_sums)
{
    constexpr unsigned kBarrier = 1, kThreads = 128 * kConsumers;
    Ring<kStages> ring;
    float d[kAccumulators];
    const int thread = threadIdx.x - 128;
    const int items = p.tiles_m * p.tiles_n * p.parts;
    for (int index = blockIdx.x; index < items; index += gridDim.x) {
        const Item item = item_of(index, p);
        accumulate_item(s, item, consumer, thread % 128 == 0, ring, d);
        ptx::bar_sync(kBarrier, kThreads); // the column sums of the item before are read
        reduce(p, item, consumer, column_sums, d);
        ptx::bar_sync(kBarrier, kThreads);
        const int column = item.n + thread;
        if (column < p.columns) {
            float sum = 0;
#pragma unroll
            for (int w = 0; w < kColumnWarps; ++w) {
                sum += column_sums[w * kTileN + thread];
            }
            p.column_partial[static_cast<long long>(item.part * p.tiles_m + item.tile_m) * p.columns + column] = sum;
        }
    }
}

} // namespace tera

extern "C" __global__ void __launch_bounds__(128 * (tera::kConsumers + 1), 1) wgmma_projection(const __grid_constant__ tera::WgmmaProjectionArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const unsigned start = ptx::shared_address(shared), base = (start + 1023) & ~1023u;
    const Shared s = layout(base);
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; ++i) {
            ptx::mbarrier_init(s.full + i * 8, 1);
            ptx::mbarrier_init(s.empty + i * 8, kConsumers);
        }
        ptx::fence_mbarrier_init();
        ptx::fence_proxy_async();
        ptx::prefetch_tensormap(&p.q);
        ptx::prefetch_tensormap(&p.p);
    }
    __syncthreads();
    const int warpgroup = threadIdx.x / 128;
    if (warpgroup == 0) {
        ptx::setmaxnreg_dec<24>();
        if (threadIdx.x == 0) {
            produce(p, s);
        }
    } else {
        ptx::setmaxnreg_inc<240>();
        consume(p, s, warpgroup - 1, reinterpret_cast<float*>(shared + (s.column_sums - start)));
    }
}
