// C = alpha·(A·B + blocks) + add + bias on Hopper's own instructions (sm_90a): A M×K, B K×N, C M×N, 16-bit operands, float32 accumulators.
//
// One persistent block an SM: a producer keeps a ring of stages full through the bulk copy engine, two warpgroups of consumers multiply
// tiles of 128×TERA_TILE_N from shared memory with wgmma (64 rows each) and write a tile while the next one loads. Either operand may lie
// transposed: the copy box then runs along M (or N) and the wgmma descriptor says so; nothing is moved.
//
// Blocks: with w columns of C a block, C[m, j·w + c] also gets Σ_k A2[m, j·k2 + k]·B2[k, c]. They are more stages of the same ring after
// those of A·B. A2's map has three dimensions (k2, block, m), so that what lies beyond k2 reads as zero and never as the next block.
// A tile lies in one block: w is a multiple of the tile, or all of C.
//
// A result of 16 bits is rounded into registers and leaves, box by box, while the first stages of the next tile are multiplied. An addend of 16 bits comes
// as the last stages of its tile.
//
// Few tiles and long sums: K is cut into parts, which write float32 layers for split_sum.cu to add in order.
//
// Macros: TERA_DTYPE (1 bfloat16, 2 float16), TERA_TRANSPOSED_A (memory holds K×M), TERA_TRANSPOSED_B (memory holds N×K), TERA_OUTPUT
// (the dtype of C: 0 writes float32 from registers, else TERA_DTYPE through the copy engine), TERA_ADD (0, 1: 16-bit C with an addend),
// TERA_BLOCKS (0 none, 1 B2 is k2×w in memory, 2 w×k2), TERA_TILE_N (128, 192, 256), TERA_STAGES (of the ring).
#include "gemm/wgmma_engine.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

struct WgmmaProductArguments {
    ptx::TensorMap a;       // boxes 64 (K) × 128 rows, or 64 (M) × 64 (K) when transposed
    ptx::TensorMap b;       // boxes 64 (K) × tile columns, or 64 (N) × 64 (K) when K×N lies in memory
    ptx::TensorMap c;       // boxes 64 (N) × 64 rows
    ptx::TensorMap add;     // as c
    ptx::TensorMap block_a; // boxes 64 (k2) × 1 block × 128 rows
    ptx::TensorMap block_b; // as b
    const void* bias;        // N elements, or null
    const float* add_single; // M×N that are added to a float32 C, or null
    float* c_single;         // C when it is float32, or `parts` layers of it
    float alpha;
    int m, n, k;
    int part_length, parts; // of K; a multiple of the stage's depth
    int block_k, block_columns;
    int tiles_m, tiles_n;
    int group; // tile rows that are walked together, for the L2 cache
};

constexpr int kTileM = 128, kTileN = TERA_TILE_N;
constexpr int kStages = TERA_STAGES;
constexpr int kConsumers = 2;
constexpr bool kTransposedA = TERA_TRANSPOSED_A, kTransposedB = TERA_TRANSPOSED_B == 0; // in wgmma's sense: K is not contiguous
constexpr bool kBlocks = TERA_BLOCKS != 0, kTransposedB2 = TERA_BLOCKS == 1;
constexpr bool kAdd = TERA_ADD;
constexpr int kBytesA = kTileM * kDepth * 2, kBytesB = kTileN * kDepth * 2;
constexpr int kBoxes = kTileN / 64;                     // of a consumer's part of a tile
constexpr int kStagingBoxes = kBoxes % 2 == 0 ? 2 : kBoxes; // places that a consumer's boxes go through in turn
static_assert(kBoxes % kStagingBoxes == 0, "a box finds the place that was written kStagingBoxes boxes ago, in the tile before too");
constexpr int kAccumulators = kTileN / 2;
constexpr int kAddedBoxes = 1 + kBoxes / 2; // of a consumer, that a stage holds: one where A lies otherwise, the rest where B does

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

/// A tile, or one part of its sum.
struct Item {
    int m, n, part, begin, end;
};

/// Tiles are walked in groups of tile rows, column by column, to and fro, so that the operands of tiles in flight stay in the L2 cache. The tiles of
/// one part stand together.
__device__ __forceinline__ Item item_of(int index, const WgmmaProductArguments& p)
{
    const int tiles = p.tiles_m * p.tiles_n, part = index / tiles, tile = index % tiles;
    const int in_group = p.group * p.tiles_n, group = tile / in_group, rest = tile % in_group;
    const int first = group * p.group, rows = min(p.group, p.tiles_m - first), begin = part * p.part_length;
    const int column = group % 2 == 0 ? rest / rows : p.tiles_n - 1 - rest / rows;
    return {(first + rest % rows) * kTileM, column * kTileN, part, begin, min(p.k, begin + p.part_length)};
}

/// Where a stage holds a consumer's box of the addend.
__device__ __forceinline__ unsigned added_box(unsigned a, unsigned b, int box, int consumer)
{
    return box == 0 ? a + consumer * kBoxBytes : b + (kConsumers * (box - 1) + consumer) * kBoxBytes;
}

/// Waits for a free stage, announces its bytes, and says where the operands go.
struct Stage {
    unsigned a, b, barrier;

    __device__ __forceinline__ static Stage next(const Shared& s, Ring<kStages>& ring, int bytes = kBytesA + kBytesB)
    {
        ptx::mbarrier_wait_parity(s.empty + ring.stage * 8, ring.parity ^ 1);
        const Stage stage{s.a + ring.stage * kBytesA, s.b + ring.stage * kBytesB, s.full + ring.stage * 8};
        ptx::mbarrier_arrive_expect_tx(stage.barrier, bytes);
        ring.advance();
        return stage;
    }
};

/// Asks for a tile's addend, as many boxes at a time as a stage holds.
__device__ __forceinline__ void load_addend(const WgmmaProductArguments& p, const Shared& s, const Item& item, Ring<kStages>& ring)
{
#pragma unroll
    for (int first = 0; first < kBoxes; first += kAddedBoxes) {
        const int boxes = min(kAddedBoxes, kBoxes - first);
        const Stage stage = Stage::next(s, ring, kConsumers * boxes * kBoxBytes);
        for (int box = 0; box < boxes; ++box) {
            for (int consumer = 0; consumer < kConsumers; ++consumer) {
                ptx::cp_async_bulk_tensor_2d_load(
                    added_box(stage.a, stage.b, box, consumer), &p.add, item.n + 64 * (first + box), item.m + 64 * consumer, stage.barrier);
            }
        }
    }
}

__device__ void produce(const WgmmaProductArguments& p, const Shared& s)
{
    Ring<kStages> ring;
    const int items = p.tiles_m * p.tiles_n * p.parts;
    for (int index = blockIdx.x; index < items; index += gridDim.x) {
        const Item item = item_of(index, p);
        for (int k = item.begin; k < item.end; k += kDepth) {
            const Stage stage = Stage::next(s, ring);
            load_operand<kTileM, kTransposedA>(stage.a, &p.a, item.m, k, stage.barrier);
            load_operand<kTileN, kTransposedB>(stage.b, &p.b, item.n, k, stage.barrier);
        }
        if (kBlocks) {
            const int block = item.n / p.block_columns, column = item.n % p.block_columns;
            for (int k = 0; k < p.block_k; k += kDepth) {
                const Stage stage = Stage::next(s, ring);
                ptx::cp_async_bulk_tensor_3d_load(stage.a, &p.block_a, k, block, item.m, stage.barrier);
                load_operand<kTileN, kTransposedB2>(stage.b, &p.block_b, column, k, stage.barrier);
            }
        }
        if (kAdd) {
            load_addend(p, s, item, ring);
        }
    }
}

/// What a consumer keeps from tile to tile.
struct Consumer {
    int number;
    bool leader;
    unsigned staging, empty;
    Ring<kStages> ring;
    int previous;                      // the stage before, or -1 in a tile's first
    unsigned words[kAccumulators / 2]; // its part of the tile before, rounded
    int m = 0, n = -1;                 // where that goes; n is -1 before the first tile

    __device__ __forceinline__ Consumer(const Shared& s, int consumer)
        : number(consumer), leader(threadIdx.x % 128 == 0), staging(s.staging + consumer * kStagingBoxes * kBoxBytes), empty(s.empty)
    {
    }

    /// Tells the producer that a stage is free.
    __device__ __forceinline__ void leave(int stage) const
    {
        if (leader) {
            ptx::mbarrier_arrive(empty + stage * 8);
        }
    }
};

/// Rounds a tile to 16 bits and keeps it for store_words.
__device__ __forceinline__ void keep_words(const Item& item, Consumer& c, const float (&d)[kAccumulators])
{
#pragma unroll
    for (int i = 0; i < kAccumulators / 2; ++i) {
        c.words[i] = Element<TERA_DTYPE>::encode2(d[2 * i], d[2 * i + 1]);
    }
    c.m = item.m + 64 * c.number, c.n = item.n;
}

/// Stages 64×64 elements of the tile before in the swizzle of the tensor map and hands them to the copy engine.
__device__ __forceinline__ void store_words(const WgmmaProductArguments& p, Consumer& c, int box)
{
    const BoxLane lane = BoxLane::of_thread();
    const unsigned place = c.staging + box % kStagingBoxes * kBoxBytes;
    if (c.leader) {
        ptx::cp_async_bulk_wait_group_read<kStagingBoxes - 1>();
    }
    ptx::bar_sync(1 + c.number, 128);
    const unsigned* words = c.words + 16 * box;
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
        ptx::stmatrix_x4(lane.address(place, j), words[2 * j], words[2 * j + 1], words[2 * j + 2], words[2 * j + 3]);
    }
    ptx::fence_proxy_async();
    ptx::bar_sync(1 + c.number, 128);
    if (c.leader) {
        ptx::cp_async_bulk_tensor_2d_store(&p.c, c.n + 64 * box, c.m, place);
        ptx::cp_async_bulk_commit_group();
    }
}

/// Adds a stage to the 64 rows of a tile; the stage before is freed once the wgmma of this one are running.
template <bool TransposedA, bool TransposedB>
__device__ __forceinline__ void accumulate_stage(const Shared& s, Consumer& c, float (&d)[kAccumulators])
{
    ptx::mbarrier_wait_parity(s.full + c.ring.stage * 8, c.ring.parity);
    const unsigned a = s.a + c.ring.stage * kBytesA + c.number * kBoxBytes, b = s.b + c.ring.stage * kBytesB;
    ptx::wgmma_fence();
    multiply_stage<TERA_DTYPE, TransposedA, TransposedB>(d, a, b, c.previous < 0);
    ptx::wgmma_commit_group();
    ptx::wgmma_wait_group<1>();
    if (c.previous >= 0) {
        c.leave(c.previous);
    }
    c.previous = c.ring.stage;
    c.ring.advance();
}

__device__ __forceinline__ void accumulate_tile(const WgmmaProductArguments& p, const Shared& s, const Item& item, Consumer& c, float (&d)[kAccumulators])
{
    const int stages = (item.end - item.begin + kDepth - 1) / kDepth;
    int i = 0;
    c.previous = -1;
    if (TERA_OUTPUT != 0) {
        // Each box leaves while the tensor cores have a stage to work on.
#pragma unroll
        for (int box = 0; box < kBoxes; ++box) {
            if (box < stages) {
                accumulate_stage<kTransposedA, kTransposedB>(s, c, d);
            }
            if (c.n >= 0) {
                store_words(p, c, box);
            }
        }
        i = kBoxes;
    }
    for (; i < stages; ++i) {
        accumulate_stage<kTransposedA, kTransposedB>(s, c, d);
    }
    if (kBlocks) {
        for (int k = 0; k < p.block_k; k += kDepth) {
            accumulate_stage<false, kTransposedB2>(s, c, d);
        }
    }
    ptx::wgmma_wait_group<0>();
    c.leave(c.previous);
}

/// alpha and bias in float32, before the one rounding.
__device__ __forceinline__ void finish(const WgmmaProductArguments& p, int column, float (&d)[kAccumulators])
{
    using E = Element<TERA_DTYPE>;
    const auto* bias = static_cast<const typename E::Storage*>(p.bias);
#pragma unroll
    for (int j = 0; j < kAccumulators / 4; ++j) {
        const int c = column + 8 * j;
        const float first = bias != nullptr && c < p.n ? E::decode(bias[c]) : 0;
        const float second = bias != nullptr && c + 1 < p.n ? E::decode(bias[c + 1]) : 0;
        d[4 * j] = fmaf(d[4 * j], p.alpha, first);
        d[4 * j + 1] = fmaf(d[4 * j + 1], p.alpha, second);
        d[4 * j + 2] = fmaf(d[4 * j + 2], p.alpha, first);
        d[4 * j + 3] = fmaf(d[4 * j + 3], p.alpha, second);
    }
}

/// Adds what lies in a box to sixteen columns of the warp's rows.
__device__ __forceinline__ void add_columns(float* v, unsigned address)
{
    using E = Element<TERA_DTYPE>;
    unsigned words[4];
    ptx::ldmatrix_x4(words, address);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        v[2 * i] += E::decode(static_cast<unsigned short>(words[i]));
        v[2 * i + 1] += E::decode(static_cast<unsigned short>(words[i] >> 16));
    }
}

/// Adds the addend, which comes as stages of its own, before the one rounding.
__device__ __forceinline__ void add_tile(const Shared& s, Consumer& c, float (&d)[kAccumulators])
{
    const BoxLane lane = BoxLane::of_thread();
#pragma unroll
    for (int first = 0; first < kBoxes; first += kAddedBoxes) {
        const int stage = c.ring.stage;
        ptx::mbarrier_wait_parity(s.full + stage * 8, c.ring.parity);
#pragma unroll
        for (int box = 0; box < kAddedBoxes && first + box < kBoxes; ++box) {
            const unsigned place = added_box(s.a + stage * kBytesA, s.b + stage * kBytesB, box, c.number);
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                add_columns(d + 32 * (first + box) + 4 * j, lane.address(place, j));
            }
        }
        ptx::bar_sync(1 + c.number, 128);
        c.leave(stage);
        c.ring.advance();
    }
}

/// A run of pairs, eight columns apart, of one row; `added` may be null. `whole`: two neighbours may be written at once.
__device__ __forceinline__ void store_row(float* to, const float* added, int columns, bool whole, const float* d)
{
#pragma unroll
    for (int j = 0; j < kAccumulators / 4; ++j) {
        if (8 * j >= columns) {
            return;
        }
        float2 pair = make_float2(d[4 * j], d[4 * j + 1]);
        const bool second = 8 * j + 1 < columns;
        if (added != nullptr) {
            pair.x += added[8 * j];
            pair.y += second ? added[8 * j + 1] : 0;
        }
        if (whole) {
            *reinterpret_cast<float2*>(to + 8 * j) = pair;
        } else {
            to[8 * j] = pair.x;
            if (second) {
                to[8 * j + 1] = pair.y;
            }
        }
    }
}

/// Writes float32, plainly or added to what lies elsewhere.
__device__ __forceinline__ void store_singles(const WgmmaProductArguments& p, const Item& item, int consumer, const float (&d)[kAccumulators])
{
    const int thread = threadIdx.x % 128, lane = thread % 32;
    const int row = item.m + 64 * consumer + thread / 32 * 16 + lane / 4, column = item.n + 2 * (lane % 4);
    float* layer = p.c_single + static_cast<long long>(item.part) * p.m * p.n;
    const bool whole = p.n % 2 == 0 && reinterpret_cast<unsigned long long>(layer) % 8 == 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int r = row + 8 * half;
        if (r < p.m) {
            const long long at = static_cast<long long>(r) * p.n + column;
            store_row(layer + at, p.add_single == nullptr ? nullptr : p.add_single + at, p.n - column, whole, d + 2 * half);
        }
    }
}

__device__ void consume(const WgmmaProductArguments& p, const Shared& s, int number)
{
    Consumer c(s, number);
    float d[kAccumulators];
    const int items = p.tiles_m * p.tiles_n * p.parts;
    for (int index = blockIdx.x; index < items; index += gridDim.x) {
        const Item item = item_of(index, p);
        accumulate_tile(p, s, item, c, d);
        finish(p, item.n + 2 * (threadIdx.x % 4), d);
        if (kAdd) {
            add_tile(s, c, d);
        }
        if (TERA_OUTPUT == 0) {
            store_singles(p, item, number, d);
        } else {
            keep_words(item, c, d);
        }
    }
    if (TERA_OUTPUT != 0 && c.n >= 0) {
#pragma unroll
        for (int box = 0; box < kBoxes; ++box) {
            store_words(p, c, box);
        }
        if (c.leader) {
            ptx::cp_async_bulk_wait_group_read<0>();
        }
    }
}

} // namespace tera

extern "C" __global__ void __launch_bounds__(128 * (tera::kConsumers + 1), 1) wgmma_product(const __grid_constant__ tera::WgmmaProductArguments p)
{
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    const Shared s = layout((ptx::shared_address(shared) + 1023) & ~1023u);
    if (threadIdx.x == 0) {
        init_ring<kStages>(s.full, s.empty, kConsumers);
        fence_barriers();
        ptx::prefetch_tensormap(&p.a);
        ptx::prefetch_tensormap(&p.b);
    }
    __syncthreads();
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    specialise<240>([&] { produce(p, s); }, [&](int consumer) { consume(p, s, consumer); });
}
