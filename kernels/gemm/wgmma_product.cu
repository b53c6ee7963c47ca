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
#include "gemm/wgmma_product_results.cuh"
#include "gemm/wgmma_product_tiles.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

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
