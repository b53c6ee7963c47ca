// Outer products of the trained vectors, and the vectors' gradients from the gradient of their outer product. All float32.
//
//   outer_vectors:     output[r₁ … r_p] = v₁[r₁]·v₂[r₂]·…, multiplied from the first to the last
//   vector_marginals:  gradient_n[r] += Σ over the other indices of full[…]·Π_{m≠n} v_m[r_m]; the n-th vector is left out, never divided by
//
// Row-major order: the last index runs fastest. Marginals: one output is summed by a warp, or by a block where sums are long; each lane
// takes every 32nd (256th) term in order, then the lanes are added in a fixed tree. One launch does all vectors of all products: the grid's
// second dimension is the product.
#include "common/reductions.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

constexpr int kMaximumVectors = 64, kMaximumProducts = 8;

struct VectorEntry {
    const float* values;
    float* gradient;  // null in outer_vectors
    i64 length;
    i64 trailing;     // product of the later lengths
};

struct VectorProduct {
    float* output;      // of outer_vectors
    const float* full;  // of vector_marginals
    i64 count;          // product of all lengths
    i64 outputs;        // sum of all lengths
    u32 vectors;
    u32 first;          // its first vector in the table
};

/// Same layout as the C# struct VectorsArguments.
struct VectorsArguments {
    VectorProduct product[kMaximumProducts];
    VectorEntry vector[kMaximumVectors];
};

/// One product with its own part of the table.
struct Product {
    const VectorProduct& of;
    const VectorEntry* vector;

    __device__ __forceinline__ explicit Product(const VectorsArguments& p) : of(p.product[blockIdx.y]), vector(p.vector + of.first) {}
};

/// Π v_m at index i, leaving out the vector `left_out` (none when past the last).
__device__ __forceinline__ float product_at(const Product& p, i64 i, u32 left_out) {
    float product = 1.0f;
    for (u32 m = 0; m < p.of.vectors; ++m) {
        const i64 digit = divide(i, p.vector[m].trailing);
        i -= digit * p.vector[m].trailing;
        if (m != left_out) {
            product *= p.vector[m].values[digit];
        }
    }
    return product;
}

/// The sum of output `index` among all vectors' entries, in every thread of its group of Warps warps; adds it to the gradient.
template <int Warps>
__device__ __forceinline__ void add_marginal(const Product& p, i64 index, float* scratch) {
    u32 n = 0;
    while (index >= p.vector[n].length) {
        index -= p.vector[n].length;
        ++n;
    }
    const VectorEntry& vector = p.vector[n];
    const i64 terms = divide(p.of.count, vector.length);
    float sum = 0.0f;
    for (i64 term = threadIdx.x % (32 * Warps); term < terms; term += 32 * Warps) {
        const i64 leading = divide(term, vector.trailing);
        const i64 i = (leading * vector.length + index) * vector.trailing + (term - leading * vector.trailing);
        sum = fmaf(p.of.full[i], product_at(p, i, n), sum);
    }
    sum = block_sum<Warps>(sum, scratch);
    if (threadIdx.x % (32 * Warps) == 0) {
        vector.gradient[index] += sum;
    }
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) outer_vectors(const __grid_constant__ tera::VectorsArguments arguments) {
    using namespace tera;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const Product p(arguments);
    const i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.of.count; i += stride) {
        p.of.output[i] = product_at(p, i, p.of.vectors);
    }
}

extern "C" __global__ void __launch_bounds__(256) vector_marginals_short(const __grid_constant__ tera::VectorsArguments arguments) {
    using namespace tera;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const Product p(arguments);
    const i64 outputs = p.of.count == 0 ? 0 : p.of.outputs;  // without terms every sum is zero, and nothing changes
    const i64 stride = static_cast<i64>(gridDim.x) * (blockDim.x / 32);
    for (i64 index = static_cast<i64>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; index < outputs; index += stride) {
        add_marginal<1>(p, index, nullptr);
    }
}

extern "C" __global__ void __launch_bounds__(256) vector_marginals_long(const __grid_constant__ tera::VectorsArguments arguments) {
    using namespace tera;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const Product p(arguments);
    const i64 outputs = p.of.count == 0 ? 0 : p.of.outputs;
    __shared__ float scratch[8];
    for (i64 index = blockIdx.x; index < outputs; index += gridDim.x) {
        add_marginal<8>(p, index, scratch);
    }
}
