// C = alpha · (A·B + blocks) + add + bias on the tensor cores of any GPU since sm_80: the portable engine.
//   A m×k, B k×n, C m×n, row-major and contiguous; either operand may lie transposed (TERA_TRANSPOSED_A, _B). Any size, any alignment.
//   Blocks (TERA_BLOCKS): with w columns of C a block, C[m, j·w + c] gets Σ_k A2[m, j·k2 + k]·B2[k, c] in the same accumulators, after A·B.
//   Accumulation: float32 (warp_tile.cuh says how float32 operands keep full accuracy).
//   Grid: x = tiles of C (tile_map.cuh's order; a tile lies in one block of columns), y = parts of K. Block: a tile of
//   TERA_TILE_M × TERA_TILE_N; warps share it as a grid of TERA_WARPS_M × TERA_WARPS_N.
#include "gemm/config.cuh"
#include "gemm/matrix_loader.cuh"
#include "gemm/output.cuh"
#include "gemm/pipeline.cuh"

namespace tera::gemm {

/// The same layout as the C# struct MatrixProductArguments.
struct MatrixProductArguments {
    const void* a;
    const void* b;
    const void* block_a; // m × (n / block_columns · block_k)
    const void* block_b;
    i64 k;
    i64 part_length; // of K for one block, a multiple of the tile's depth when K is split
    i64 block_k, block_columns;
    u32 tiles_m, tiles_n;
    Output output;
};

/// Where a tile's columns start and end, and in which block.
struct Columns {
    i64 block, first, end;
};

/// Every block of columns has tiles of its own.
__device__ __forceinline__ Columns columns_of(i64 tile, const MatrixProductArguments& p)
{
    if constexpr (TERA_BLOCKS == 0) {
        return {0, tile * Config::kTileN, p.output.n};
    } else {
        const i64 in_block = (p.block_columns + Config::kTileN - 1) / Config::kTileN, block = tile / in_block;
        return {block, block * p.block_columns + tile % in_block * Config::kTileN, (block + 1) * p.block_columns};
    }
}

/// The second product. It has layouts of its own; the accumulators are the same.
__device__ __forceinline__ void add_block(
    WarpTile<Config>& tile, const MatrixProductArguments& p, const Columns& columns, i64 first_m, unsigned char* shared)
{
    using Own = ConfigOf<true, TERA_BLOCKS == 2>;
    using E = Element<Config::kDType>;
    const auto* block_a = static_cast<const typename E::Storage*>(p.block_a) + columns.block * p.block_k;
    const i64 blocks = p.output.n / p.block_columns;
    const MatrixLoader<Config, typename Own::MapA> a(block_a, p.output.m, p.block_k, blocks * p.block_k, first_m);
    const MatrixLoader<Config, typename Own::MapB> b(p.block_b, p.block_columns, p.block_k, columns.first - columns.block * p.block_columns);
    multiply_tiles(tile, a, b, shared, 0, p.block_k);
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::Config::kThreads, tera::gemm::Config::kBlocks)
    matrix_product(const __grid_constant__ tera::gemm::MatrixProductArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];

    const TileIndex index = TileIndex::of(blockIdx.x, p.tiles_m, p.tiles_n);
    const i64 first_m = index.m * Config::kTileM;
    const Columns columns = columns_of(index.n, p);
    const MatrixLoader<Config, Config::MapA> a(p.a, p.output.m, p.k, first_m);
    const MatrixLoader<Config, Config::MapB> b(p.b, p.output.n, p.k, columns.first);

    WarpTile<Config> tile;
    const i64 begin = blockIdx.y * p.part_length;
    multiply_tiles(tile, a, b, shared, begin, min(p.k, begin + p.part_length));
    if (TERA_BLOCKS != 0 && blockIdx.y == 0) {
        add_block(tile, p, columns, first_m, shared);
    }
    write_tile<Config>(tile, p.output, shared, first_m, columns.first, columns.end);
}
