// A product with the regenerated core G (R×S), whose tiles are generated where an ordinary product would load them:
//   TERA_TRANSPOSED_B 1, forward:  C[b, r] = alpha · Σ_s A[b, s]·scale[s]·G[r, s]   A B×S, C B×R
//   TERA_TRANSPOSED_B 0, backward: C[b, s] = alpha · Σ_r A[b, r]·scale[r]·G[r, s]   A B×R, C B×S
//   scale[k]·G is multiplied in float32 and rounded once to the dtype of A; accumulation as in matrix_product.cu.
//   Grid: x = tiles of C, y = parts of the sum. Block: a tile of C, its warps as in matrix_product.cu.
#include "gemm/config.cuh"
#include "gemm/core_loader.cuh"
#include "gemm/matrix_loader.cuh"
#include "gemm/output.cuh"
#include "gemm/pipeline.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreProductArguments.
struct CoreProductArguments {
    const void* a;
    const float* scale;
    Core core;
    i64 k;
    i64 part_length; // of K for one block, a multiple of the tile's depth when K is split
    u32 tiles_m, tiles_n;
    Output output;
};

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::Config::kThreads, tera::gemm::Config::kBlocks)
    core_product(const __grid_constant__ tera::gemm::CoreProductArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];

    const TileIndex index = TileIndex::of(blockIdx.x, p.tiles_m, p.tiles_n);
    const i64 first_m = index.m * Config::kTileM, first_n = index.n * Config::kTileN;
    const MatrixLoader<Config, Config::MapA> a(p.a, p.output.m, p.k, first_m);
    const CoreLoader<Config, Config::MapB> b{p.core, p.scale, p.k, first_n};

    WarpTile<Config> tile;
    const i64 begin = blockIdx.y * p.part_length;
    multiply_tiles(tile, a, b, shared, begin, min(p.k, begin + p.part_length));
    write_tile<Config>(tile, p.output, shared, first_m, first_n, p.output.n);
}
