// C = alpha · A·B + (accumulate ? C : 0) + bias on the tensor cores of any GPU since sm_80: the portable engine.
//   A m×k, B k×n, C m×n, row-major and contiguous; either operand may lie transposed (TERA_TRANSPOSED_A, _B). Any size, any alignment.
//   Accumulation: float32 (warp_tile.cuh says how float32 operands keep full accuracy).
//   Grid: x = tiles of C (tile_map.cuh's order), y = parts of K. Block: a tile of TERA_TILE_M × TERA_TILE_N; warps share it as a
//   grid of TERA_WARPS_M × TERA_WARPS_N.
#include "gemm/config.cuh"
#include "gemm/matrix_loader.cuh"
#include "gemm/output.cuh"
#include "gemm/pipeline.cuh"

namespace tera::gemm {

/// The same layout as the C# struct MatrixProductArguments.
struct MatrixProductArguments {
    const void* a;
    const void* b;
    i64 k;
    i64 part_length; // of K for one block, a multiple of the tile's depth when K is split
    u32 tiles_m, tiles_n;
    Output output;
};

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::Config::kThreads, tera::gemm::Config::kBlocks)
    matrix_product(const __grid_constant__ tera::gemm::MatrixProductArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];

    const TileIndex index = TileIndex::of(blockIdx.x, p.tiles_m, p.tiles_n);
    const i64 first_m = index.m * Config::kTileM, first_n = index.n * Config::kTileN;
    const MatrixLoader<Config, Config::MapA> a(p.a, p.output.m, p.k, first_m);
    const MatrixLoader<Config, Config::MapB> b(p.b, p.output.n, p.k, first_n);

    WarpTile<Config> tile;
    const i64 begin = blockIdx.y * p.part_length;
    multiply_tiles(tile, a, b, shared, begin, min(p.k, begin + p.part_length));
    write_tile<Config>(tile, p.output, shared, first_m, first_n);
}
