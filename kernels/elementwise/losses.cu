// Losses with their gradients.
//
//   mean_squared_error:  loss = (1/n)·Σ (x − t)²,  gradient = (x − t)·gradient_scale with gradient_scale = 2·loss scale/n
//   cross_entropy:       loss = (1/rows)·Σ_b (log Σ_c exp x[b,c] − x[b, label_b]),  gradient = (softmax − onehot)·gradient_scale
//                        with gradient_scale = loss scale/rows; a label outside the row makes the row's gradient and the loss NaN
//
// Every block (or row) writes one partial sum to the workspace; finish_loss adds them in a fixed order. The cut into parts depends on the
// size alone, so the result is the same on every device.
//
// TERA_DTYPE: of the tensors; 0 float32, 1 bfloat16, 2 float16. Arithmetic, partial sums and the loss are float32.
#include "common/quads.cuh"
#include "common/reductions.cuh"

namespace tera {

constexpr int kWarps = 8;

struct SquaredErrorArguments {
    const void* prediction;
    const void* target;
    void* gradient;  // null when not wanted
    float* partial;
    i64 count;
    i64 part;        // elements of a block, a multiple of 4
    float gradient_scale;
};

struct CrossEntropyArguments {
    const void* logits;
    const int* labels;
    void* gradient;  // null when not wanted
    float* partial;  // one for each row
    i64 rows;
    i64 columns;
    float gradient_scale;
};

struct FinishLossArguments {
    const float* partial;
    float* loss;
    i64 parts;
    float divisor;  // elements or rows
};

/// One row by a group of Warps warps.
template <int Warps>
__device__ __forceinline__ void cross_entropy_row(const CrossEntropyArguments& p, i64 row, float* scratch) {
    using Type = Element<TERA_DTYPE>;
    using Storage = Type::Storage;
    constexpr u32 kThreads = 32 * Warps;
    const u32 thread = threadIdx.x % kThreads;
    const Storage* logits = static_cast<const Storage*>(p.logits) + row * p.columns;
    float largest = __int_as_float(0xFF800000);
    for (i64 c = thread; c < p.columns; c += kThreads) {
        largest = fmaxf(largest, Type::decode(logits[c]));
    }
    largest = block_max<Warps>(largest, scratch);
    float total = 0.0f;
    for (i64 c = thread; c < p.columns; c += kThreads) {
        total += expf(Type::decode(logits[c]) - largest);
    }
    total = block_sum<Warps>(total, scratch);
    const i64 label = p.labels[row];
    const bool legal = label >= 0 && label < p.columns;
    const float invalid = __int_as_float(0x7FC00000);
    if (thread == 0) {
        p.partial[row] = legal ? logf(total) + (largest - Type::decode(logits[label])) : invalid;
    }
    if (p.gradient != nullptr) {
        Storage* gradient = static_cast<Storage*>(p.gradient) + row * p.columns;
        for (i64 c = thread; c < p.columns; c += kThreads) {
            const float softmax = expf(Type::decode(logits[c]) - largest) / total;
            gradient[c] = Type::encode(legal ? (softmax - (c == label ? 1.0f : 0.0f)) * p.gradient_scale : invalid);
        }
    }
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) mean_squared_error(const __grid_constant__ tera::SquaredErrorArguments p) {
    using namespace tera;
    __shared__ float scratch[kWarps];
    const bool aligned = quad_aligned<TERA_DTYPE>(p.prediction) && quad_aligned<TERA_DTYPE>(p.target) && quad_aligned<TERA_DTYPE>(p.gradient);
    const i64 begin = static_cast<i64>(blockIdx.x) * p.part;
    const i64 end = min(begin + p.part, p.count);
    float sum = 0.0f;
    for (i64 i = begin + 4 * threadIdx.x; i < end; i += 4 * blockDim.x) {
        float x[4], t[4];
        read_quad<TERA_DTYPE>(p.prediction, i, end - i, aligned, x);
        read_quad<TERA_DTYPE>(p.target, i, end - i, aligned, t);
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            const float difference = x[u] - t[u];
            sum = fmaf(difference, difference, sum);
            x[u] = difference * p.gradient_scale;
        }
        if (p.gradient != nullptr) {
            write_quad<TERA_DTYPE>(p.gradient, i, end - i, aligned, x);
        }
    }
    sum = block_sum<kWarps>(sum, scratch);
    if (threadIdx.x == 0) {
        p.partial[blockIdx.x] = sum;
    }
}

/// A warp for each row.
extern "C" __global__ void __launch_bounds__(256, 1) cross_entropy_short(const __grid_constant__ tera::CrossEntropyArguments p) {
    using namespace tera;
    const i64 stride = static_cast<i64>(gridDim.x) * kWarps;
    for (i64 row = static_cast<i64>(blockIdx.x) * kWarps + threadIdx.x / 32; row < p.rows; row += stride) {
        cross_entropy_row<1>(p, row, nullptr);
    }
}

/// A block for each row.
extern "C" __global__ void __launch_bounds__(256, 1) cross_entropy_long(const __grid_constant__ tera::CrossEntropyArguments p) {
    using namespace tera;
    __shared__ float scratch[kWarps];
    for (i64 row = blockIdx.x; row < p.rows; row += gridDim.x) {
        cross_entropy_row<kWarps>(p, row, scratch);
    }
}

/// One block.
extern "C" __global__ void __launch_bounds__(256) finish_loss(const __grid_constant__ tera::FinishLossArguments p) {
    using namespace tera;
    __shared__ float scratch[kWarps];
    float sum = 0.0f;
    for (i64 i = threadIdx.x; i < p.parts; i += blockDim.x) {
        sum += p.partial[i];
    }
    sum = block_sum<kWarps>(sum, scratch);
    if (threadIdx.x == 0) {
        *p.loss = p.parts == 0 ? 0.0f : sum / p.divisor;
    }
}
