// The gradients of the core's diagonals: H = Qᵀ·P (R×S) tile by tile, never stored, each tile at once multiplied by G and summed.
//   row_gradient[r]    = alpha · Σ_s H[r, s]·G[r, s]·column_scale[s]
//   column_gradient[s] = alpha · Σ_r H[r, s]·G[r, s]·row_scale[r]
//   Q B×R, P B×S (TERA_DTYPE), everything else float32. TERA_TRANSPOSED_A 1, TERA_TRANSPOSED_B 0.
//
//   Grid: x = tiles of H, y = parts of the sum over B. After the main loop the block puts its tile of H into shared memory; thread
//   (row, column group) multiplies eight elements by G; then one thread a row, and one a column, adds them up in order and writes
//   a partial sum of its own: row_partial[part·tiles_n + tile_n][r], column_partial[part·tiles_m + tile_m][s].
//   core_projection_sum.cu adds those. The order of every sum depends on the shape alone.
#include "gemm/config.cuh"
#include "gemm/core_values.cuh"
#include "gemm/matrix_loader.cuh"
#include "gemm/pipeline.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreProjectionArguments.
struct CoreProjectionArguments {
    const void* q;
    const void* p;
    const float* row_scale;
    const float* column_scale;
    float* row_partial;    // (parts·tiles_n) × R
    float* column_partial; // (parts·tiles_m) × S
    Core core;
    i64 tokens;
    i64 part_length; // of B for one block, a multiple of the tile's depth when B is split
    u32 tiles_m, tiles_n;
};

/// A tile of H in shared memory; the odd stride keeps both sums and the fragments' stores off each other's banks.
struct ProjectedTile {
    static constexpr int kStride = Config::kTileN + 1;

    float* values;
    i64 first_r, first_s;

    __device__ __forceinline__ float& at(u32 row, u32 column) const { return values[row * kStride + column]; }

    /// H ∘ G, in place.
    template <int D>
    __device__ __forceinline__ void multiply_core(const Core& core) const
    {
#pragma unroll 1
        for (u32 group = threadIdx.x; group < Config::kTileM * (Config::kTileN / 8); group += Config::kThreads) {
            const u32 row = group % Config::kTileM, column = group / Config::kTileM * 8;
            visit_core<D>(
                core, first_r + row, first_s + column,
                [&](float(&g)[8]) {
#pragma unroll
                    for (int i = 0; i < 8; ++i) {
                        at(row, column + i) *= g[i];
                    }
                },
                [&](int i, float g) { at(row, column + i) *= g; });
        }
    }

    __device__ __forceinline__ void sum_rows(const CoreProjectionArguments& p, i64 layer) const
    {
        const int columns = static_cast<int>(min(static_cast<i64>(Config::kTileN), p.core.columns - first_s));
#pragma unroll 1
        for (u32 row = threadIdx.x; row < Config::kTileM && first_r + row < p.core.rows; row += Config::kThreads) {
            float sum = 0.0f;
#pragma unroll 4
            for (int column = 0; column < columns; ++column) {
                sum += at(row, column) * p.column_scale[first_s + column];
            }
            p.row_partial[layer * p.core.rows + first_r + row] = sum;
        }
    }

    __device__ __forceinline__ void sum_columns(const CoreProjectionArguments& p, i64 layer) const
    {
        const int rows = static_cast<int>(min(static_cast<i64>(Config::kTileM), p.core.rows - first_r));
#pragma unroll 1
        for (u32 column = threadIdx.x; column < Config::kTileN && first_s + column < p.core.columns; column += Config::kThreads) {
            float sum = 0.0f;
#pragma unroll 4
            for (int row = 0; row < rows; ++row) {
                sum += at(row, column) * p.row_scale[first_r + row];
            }
            p.column_partial[layer * p.core.columns + first_s + column] = sum;
        }
    }
};

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::Config::kThreads, tera::gemm::Config::kBlocks)
    core_projection(const __grid_constant__ tera::gemm::CoreProjectionArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];

    const TileIndex index = TileIndex::of(blockIdx.x, p.tiles_m, p.tiles_n);
    const ProjectedTile h{reinterpret_cast<float*>(shared), index.m * Config::kTileM, index.n * Config::kTileN};
    const MatrixLoader<Config, Config::MapA> q(p.q, p.core.rows, p.tokens, h.first_r);
    const MatrixLoader<Config, Config::MapB> right(p.p, p.core.columns, p.tokens, h.first_s);

    WarpTile<Config> tile;
    const i64 begin = blockIdx.y * p.part_length;
    multiply_tiles(tile, q, right, shared, begin, min(p.tokens, begin + p.part_length));

    tile.for_each_pair([&](u32 row, u32 column, float first, float second) {
        h.at(row, column) = first;
        h.at(row, column + 1) = second;
    });
    __syncthreads();
    with_distribution(p.core, [&](auto tag) { h.multiply_core<decltype(tag)::kValue>(p.core); });
    __syncthreads();
    h.sum_rows(p, static_cast<i64>(blockIdx.y) * p.tiles_n + index.n);
    h.sum_columns(p, static_cast<i64>(blockIdx.y) * p.tiles_m + index.m);
}
