// C = alpha·A·B + bias on Hopper's own instructions (sm_90a): A M×K, B K×N, C M×N, 16-bit operands, float32 accumulators.
//
// One persistent block an SM: a producer warp keeps a ring of stages full through the bulk copy engine, two warpgroups of
// consumers multiply 128×256 tiles from shared memory with wgmma (64×256 each) and write the tile while the next one loads.
// Either operand may lie transposed: the copy box then runs along M (or N) and the wgmma descriptor says so; nothing is moved.
//
// Macros: TERA_DTYPE (1 bfloat16, 2 float16), TERA_TRANSPOSED_A (memory holds K×M), TERA_TRANSPOSED_B (memory holds N×K),
// TERA_OUTPUT (the dtype of C: 0 writes float32 and may accumulate, else TERA_DTYPE through the copy engine), TERA_BIAS (0, 1).
#include "gemm/wgmma_engine.cuh"

namespace tera {

struct WgmmaProductArguments {
    ptx::TensorMap a; // boxes 64 (K) × 128 rows, or 64 (M) × 64 (K) when transposed
    ptx::TensorMap b; // boxes 64 (K) × 256 rows, or 64 (N) × 64 (K) when K×N lies in memory
    ptx::TensorMap c; // boxes 64 (N) × 64 rows
    const void* bias; // N elements, or null
    float* c_single;  // C when it is float32
    float alpha;
    int accumulate; // float32 C only
    int m, n, k;
    int tiles_m, tiles_n;
    int group; // tile rows that are walked together, for the L2 cache
};

constexpr int kTileM = 128, kTileN = 256, kTileK = 64;
constexpr int kStages = 4;
constexpr int kConsumers = 2;
constexpr int kBytesA = kTileM * kTileK * 2, kBytesB = kTileN * kTileK * 2;
constexpr int kStagingBoxes = 2;         // a consumer writes its four output boxes through two places in turn
constexpr int kAccumulators = kTileN / 2;

struct Shared {
    unsigned a, b, staging, full, empty;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.a = base;
    s.b = s.a + kStages * kBytesA;
    s.staging = s.b + kStages * kBytesB;
    s.full = s.staging + kConsumers * kStagingBoxes * kBoxBytes;
    s.empty = s.full + kStages * 8;
    return s;
}

struct Tile {
    int m, n;
};

/// Tiles are walked in groups of tile rows, column by column, so that the operands of tiles in flight stay in the L2 cache.
__device__ __forceinline__ Tile tile_of(int index, const WgmmaProductArguments& p)
{
    const int in_group = p.group * p.tiles_n;
    const int first = index / in_group * p.group;
    const int rows = min(p.group, p.tiles_m - first);
    const int rest = index % in_group;
    return {(first + rest % rows) * kTileM, rest / rows * kTileN};
}

__device__ __forceinline__ void load_stage(const WgmmaProductArguments& p, const Shared& s, const Tile& tile, int k, const Ring<kStages>& ring)
{
    const unsigned barrier = s.full + ring.stage * 8;
    const unsigned a = s.a + ring.stage * kBytesA, b = s.b + ring.stage * kBytesB;
    ptx::mbarrier_arrive_expect_tx(barrier, kBytesA + kBytesB);
    if (TERA_TRANSPOSED_A) {
#pragma unroll
        for (int i = 0; i < kTileM / 64; ++i) {
            ptx::cp_async_bulk_tensor_2d_load(a + i * kBoxBytes, &p.a, tile.m + 64 * i, k, barrier);
        }
    } else {
        ptx::cp_async_bulk_tensor_2d_load(a, &p.a, k, tile.m, barrier);
    }
    if (TERA_TRANSPOSED_B) {
        ptx::cp_async_bulk_tensor_2d_load(b, &p.b, k, tile.n, barrier);
    } else {
#pragma unroll
        for (int i = 0; i < kTileN / 64; ++i) {
            ptx::cp_async_bulk_tensor_2d_load(b + i * kBoxBytes, &p.b, tile.n + 64 * i, k, barrier);
        }
    }
}

__device__ void produce(const WgmmaProductArguments& p, const Shared& s)
{
    Ring<kStages> ring;
    const int tiles = p.tiles_m * p.tiles_n;
    for (int index = blockIdx.x; index < tiles; index += gridDim.x) {
        const Tile tile = tile_of(index, p);
        for (int k = 0; k < p.k; k += kTileK) {
            ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
            load_stage(p, s, tile, k, ring);
            ring.advance();
        }
    }
}

/// The 64×256 part of a tile: a stage is freed once the wgmma of the next one are running.
__device__ __forceinline__ void accumulate_tile(
    const WgmmaProductArguments& p, const Shared& s, int consumer, bool leader, Ring<kStages>& ring, float (&d)[kAccumulators])
{
    unsigned previous = 0;
    for (int k = 0; k < p.k; k += kTileK) {
        ptx::mbarrier_wait_parity(s.full + ring.stage * 8, ring.parity);
        const unsigned a = s.a + ring.stage * kBytesA + consumer * kBoxBytes, b = s.b + ring.stage * kBytesB;
        ptx::wgmma_fence();
#pragma unroll
        for (int i = 0; i < kTileK / 16; ++i) {
            multiply_slice<TERA_DTYPE, TERA_TRANSPOSED_A, !TERA_TRANSPOSED_B>(d, descriptor<TERA_TRANSPOSED_A>(a + i * kSlice<TERA_TRANSPOSED_A>),
                descriptor<!TERA_TRANSPOSED_B>(b + i * kSlice<!TERA_TRANSPOSED_B>), k > 0 || i > 0);
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

/// alpha and bias in float32, before the one rounding.
__device__ __forceinline__ void finish(const WgmmaProductArguments& p, int column, float (&d)[kAccumulators])
{
    using E = Element<TERA_DTYPE>;
    const auto* bias = static_cast<const typename E::Storage*>(p.bias);
#pragma unroll
    for (int j = 0; j < kAccumulators / 4; ++j) {
        float first = 0, second = 0;
        if (TERA_BIAS) {
            const int c = column + 8 * j;
            first = c < p.n ? E::decode(bias[c]) : 0;
            second = c + 1 < p.n ? E::decode(bias[c + 1]) : 0;
        }
        d[4 * j] = fmaf(d[4 * j], p.alpha, first);
        d[4 * j + 1] = fmaf(d[4 * j + 1], p.alpha, second);
        d[4 * j + 2] = fmaf(d[4 * j + 2], p.alpha, first);
        d[4 * j + 3] = fmaf(d[4 * j + 3], p.alpha, second);
    }
}

/// Rounds to 16 bits, stages 64×64 boxes in the swizzle of the tensor map and hands them to the copy engine.
__device__ __forceinline__ void store_boxes(
    const WgmmaProductArguments& p, unsigned staging, const Tile& tile, int consumer, float (&d)[kAccumulators])
{
    using E = Element<TERA_DTYPE>;
    const int thread = threadIdx.x % 128, lane = thread % 32, row = thread / 32 * 16 + (lane & 7) + (lane & 8), half = lane >> 4;
#pragma unroll
    for (int box = 0; box < kTileN / 64; ++box) {
        const unsigned place = staging + (box % kStagingBoxes) * kBoxBytes;
        if (thread == 0) {
            ptx::cp_async_bulk_wait_group_read<kStagingBoxes - 1>();
        }
        ptx::bar_sync(1 + consumer, 128);
#pragma unroll
        for (int j = 0; j < 8; j += 2) {
            const float* v = d + 32 * box + 4 * j;
            const unsigned address = place + swizzled(row, j + half);
            ptx::stmatrix_x4(address, E::encode2(v[0], v[1]), E::encode2(v[2], v[3]), E::encode2(v[4], v[5]), E::encode2(v[6], v[7]));
        }
        ptx::fence_proxy_async();
        ptx::bar_sync(1 + consumer, 128);
        if (thread == 0) {
            ptx::cp_async_bulk_tensor_2d_store(&p.c, tile.n + 64 * box, tile.m + 64 * consumer, place);
            ptx::cp_async_bulk_commit_group();
        }
    }
}

/// Writes float32, or adds to what is there.
__device__ __forceinline__ void store_singles(
    const WgmmaProductArguments& p, const Tile& tile, int consumer, float (&d)[kAccumulators])
{
    const int thread = threadIdx.x % 128, lane = thread % 32;
    const int row = tile.m + 64 * consumer + thread / 32 * 16 + lane / 4, column = tile.n + 2 * (lane % 4);
#pragma unroll
    for (int i = 0; i < kAccumulators; ++i) {
        const int r = row + ((i & 2) << 2), c = column + 8 * (i / 4) + (i & 1);
        if (r < p.m && c < p.n) {
            float* to = p.c_single + static_cast<long long>(r) * p.n + c;
            *to = p.accumulate ? *to + d[i] : d[i];
        }
    }
}

__device__ void consume(const WgmmaProductArguments& p, const Shared& s, int consumer)
{
    Ring<kStages> ring;
    float d[kAccumulators];
    const bool leader = threadIdx.x % 128 == 0;
    const int tiles = p.tiles_m * p.tiles_n;
    for (int index = blockIdx.x; index < tiles; index += gridDim.x) {
        const Tile tile = tile_of(index, p);
        accumulate_tile(p, s, consumer, leader, ring, d);
        finish(p, tile.n + 2 * (threadIdx.x % 4), d);
        if (TERA_OUTPUT == 0) {
            store_singles(p, tile, consumer, d);
        } else {
            store_boxes(p, s.staging + consumer * kStagingBoxes * kBoxBytes, tile, consumer, d);
        }
    }
    if (TERA_OUTPUT != 0 && leader) {
        ptx::cp_async_bulk_wait_group_read<0>();
    }
}

} // namespace tera

extern "C" __global__ void __launch_bounds__(128 * (tera::kConsumers + 1), 1) wgmma_product(const __grid_constant__ tera::WgmmaProductArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const Shared s = layout((ptx::shared_address(shared) + 1023) & ~1023u);
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; ++i) {
            ptx::mbarrier_init(s.full + i * 8, 1);
            ptx::mbarrier_init(s.empty + i * 8, kConsumers);
        }
        ptx::fence_mbarrier_init();
        ptx::fence_proxy_async();
        ptx::prefetch_tensormap(&p.a);
        ptx::prefetch_tensormap(&p.b);
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
        consume(p, s, warpgroup - 1);
    }
}
