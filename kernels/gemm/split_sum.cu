// The end of a product whose K was split: C = alpha · Σ_layer partial[layer] + add + bias, layers in ascending order.
//   TERA_DTYPE is the dtype of the product's operands (of the bias, and of C unless output.single). One thread four neighbours of a row.
#include "gemm/output.cuh"
#include "ptx/griddepcontrol.cuh"

extern "C" __global__ void __launch_bounds__(256) split_sum(const __grid_constant__ tera::gemm::Output p)
{
    using namespace tera;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const i64 groups = (p.n + 3) / 4, index = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x, row = index / groups;
    if (row < p.m) {
        gemm::OutputWriter<TERA_DTYPE>(p, 0, p.n).write_sum_of_layers(row, index % groups * 4);
    }
}
