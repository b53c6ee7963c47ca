// Both gradients of the core's diagonals from their partial sums, alpha · Σ_layer partial[layer][i]: the end of core_projection.cu
// and core_marginals.cu.
//   A block has 32 neighbours of one gradient: its eight warps add every eighth layer each, in ascending order; then the warps in order.
#include "common/host_device.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreSumLauncher.Arguments.
struct CoreProjectionSumArguments {
    const float* row_partial;    // row_layers × rows
    const float* column_partial; // column_layers × columns
    float* row_gradient;
    float* column_gradient;
    i64 rows, columns;
    i32 row_layers, column_layers;
    float alpha;
    u32 row_blocks; // blocks that add rows; the others add columns
};

constexpr int kSumElements = 32, kSumWarps = 8;

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(32 * tera::gemm::kSumWarps)
    core_projection_sum(const __grid_constant__ tera::gemm::CoreProjectionSumArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];
    auto* sums = reinterpret_cast<float*>(shared);
    const bool row = blockIdx.x < p.row_blocks;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 index = static_cast<i64>(blockIdx.x - (row ? 0 : p.row_blocks)) * kSumElements + lane, count = row ? p.rows : p.columns;
    const float* partial = row ? p.row_partial : p.column_partial;
    const i32 layers = row ? p.row_layers : p.column_layers;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    float sum = 0.0f;
    if (index < count) {
#pragma unroll 8
        for (i32 layer = warp; layer < layers; layer += kSumWarps) {
            sum += partial[layer * count + index];
        }
    }
    sums[warp * kSumElements + lane] = sum;
    __syncthreads();
    if (warp == 0 && index < count) {
        sum = 0.0f;
#pragma unroll
        for (int w = 0; w < kSumWarps; ++w) {
            sum += sums[w * kSumElements + lane];
        }
        (row ? p.row_gradient : p.column_gradient)[index] = p.alpha * sum;
    }
}
