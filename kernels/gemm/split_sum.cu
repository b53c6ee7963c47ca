// The end of a product whose K was split: C = alpha · Σ_layer partial[layer] + add + bias, layers in ascending order.
//   TERA_DTYPE is the dtype of the product's operands (of the bias, and of C unless output.single). One thread an element.
#include "gemm/output.cuh"

extern "C" __global__ void __launch_bounds__(256) split_sum(const __grid_constant__ tera::gemm::Output p)
{
    using namespace tera;
    const i64 index = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x;
    const i64 count = p.m * p.n;
    if (index >= count) {
        return;
    }
    float sum = 0.0f;
    for (i32 layer = 0; layer < p.parts; ++layer) {
        sum += p.partial[layer * count + index];
    }
    const gemm::OutputWriter<TERA_DTYPE> writer(p, 0, p.n);
    writer.write_single(index / p.n, index % p.n, sum);
}
