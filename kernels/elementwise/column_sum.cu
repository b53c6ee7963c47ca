// output[c] += Σ_r input[r, c] in float32 in a fixed order: the gradient of a bias.
//
// The rows are cut into parts by their number alone. A block sums 32 columns of one part: warp w takes the rows w, w + 8, …, then the
// eight warps' sums are added in order. With more than one part the sums go to the workspace, and a second kernel adds the parts in order.
//
// TERA_DTYPE: of the input; 0 float32, 1 bfloat16, 2 float16.
#include "common/dtype.cuh"
#include "common/host_device.cuh"

namespace tera {

constexpr int kWarps = 8;

struct ColumnSumArguments {
    const void* input;
    float* output;
    float* partial;  // parts × columns
    i64 rows;
    i64 columns;
    i64 part_rows;
    u32 parts;
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) column_sum(const __grid_constant__ tera::ColumnSumArguments p) {
    using namespace tera;
    using Type = Element<TERA_DTYPE>;
    __shared__ float sums[kWarps][32];
    const u32 lane = threadIdx.x % 32;
    const u32 warp = threadIdx.x / 32;
    const i64 column = static_cast<i64>(blockIdx.x) * 32 + lane;
    const i64 first = static_cast<i64>(blockIdx.y) * p.part_rows;
    const i64 end = min(first + p.part_rows, p.rows);
    const Type::Storage* input = static_cast<const Type::Storage*>(p.input);
    float sum = 0.0f;
    if (column < p.columns) {
#pragma unroll 4
        for (i64 row = first + warp; row < end; row += kWarps) {
            sum += Type::decode(input[row * p.columns + column]);
        }
    }
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && column < p.columns) {
        sum = 0.0f;
#pragma unroll
        for (int w = 0; w < kWarps; ++w) {
            sum += sums[w][lane];
        }
        if (p.parts == 1) {
            p.output[column] += sum;
        } else {
            p.partial[blockIdx.y * p.columns + column] = sum;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) column_sum_parts(const __grid_constant__ tera::ColumnSumArguments p) {
    using namespace tera;
    const i64 column = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column < p.columns) {
        float sum = 0.0f;
        for (u32 part = 0; part < p.parts; ++part) {
            sum += p.partial[part * p.columns + column];
        }
        p.output[column] += sum;
    }
}
