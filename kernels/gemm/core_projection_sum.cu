// The end of core_projection.cu: both gradients from their partial sums, alpha · Σ_layer partial[layer][i], layers in ascending order.
//   One thread an element: first the R elements of the row gradient, then the S of the column gradient.
#include "common/host_device.cuh"

namespace tera::gemm {

/// The same layout as the C# struct CoreProjectionSumArguments.
struct CoreProjectionSumArguments {
    const float* row_partial;
    const float* column_partial;
    float* row_gradient;
    float* column_gradient;
    i64 rows, columns;
    i32 row_layers, column_layers;
    float alpha;
    i32 padding;
};

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(256)
    core_projection_sum(const __grid_constant__ tera::gemm::CoreProjectionSumArguments p)
{
    using namespace tera;
    i64 index = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x;
    const bool row = index < p.rows;
    index -= row ? 0 : p.rows;
    const i64 count = row ? p.rows : p.columns;
    if (index >= count) {
        return;
    }
    const float* partial = row ? p.row_partial : p.column_partial;
    const i32 layers = row ? p.row_layers : p.column_layers;
    float sum = 0.0f;
    for (i32 layer = 0; layer < layers; ++layer) {
        sum += partial[layer * count + index];
    }
    (row ? p.row_gradient : p.column_gradient)[index] = p.alpha * sum;
}
