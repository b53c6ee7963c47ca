// One mode of a Kronecker product whose factor or fibres are too large for a slab: a matrix product with a generated factor,
//     Out[a, j, c] = (AddTo) + alpha · Σ_k M[k, j]·scale[·]·In[a, k, c],   M[k, j] = F[k, j] (contract) or F[j, k].
//
// A block makes 128 outputs j × 128 fibres f = (a, c), k in steps of 16: both operands' tiles in shared memory, two of each, the next
// one being generated or loaded while the present one is multiplied. A thread sums 8 × 8 products in float32, k upwards, so the result
// does not depend on the grid. The factor is never stored: each element is generated once for every 128 fibres.
//
// TERA_INPUT: 0 float32, 1 bfloat16, 2 float16, 3 generated core. TERA_OUTPUT: 0, 1, 2; also the element type of AddTo.
#include "kronecker/operands.cuh"

namespace tera {

constexpr int kTile = 128;
constexpr int kDepth = 16;
constexpr int kPitch = kTile + 4;  // a multiple of 4, for reads of 16 bytes

/// Same layout as the C# struct KroneckerDenseArguments.
struct KroneckerDenseArguments {
    const void* input;   // null when generated
    void* output;
    const void* add_to;  // null for none; may be the output
    const float* scale;  // null for ones
    RandomSource core;
    RandomSource factor;
    ScaleIndex scale_index;
    i64 in;
    i64 out;
    i64 trailing;  // number of c
    i64 fibres;    // number of (a, c)
    float alpha;
    u32 contract;
};

/// A tile of one operand: [k][j] or [k][f].
using Tile = float[kDepth][kPitch];

/// Where four fibres from `first` begin in a tensor whose mode has `length` entries; −1 past the last.
struct FibreOffsets {
    i64 at[4];

    __device__ __forceinline__ FibreOffsets(const KroneckerDenseArguments& p, i64 first, i64 length) {
        i64 a = first / p.trailing;
        i64 c = first - a * p.trailing;
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            at[u] = first + u < p.fibres ? a * length * p.trailing + c : -1;
            if (++c == p.trailing) {
                c = 0;
                ++a;
            }
        }
    }
};

/// Generates M[k0 … k0 + 15, j0 … j0 + 127]; outside of M it is zero.
__device__ __forceinline__ void load_factor(const KroneckerDenseArguments& p, i64 k0, i64 j0, Tile& tile) {
#pragma unroll 1
    for (u32 g = threadIdx.x; g < kTile * kDepth / 4; g += 256) {
        float v[4];
        if (p.contract) {  // four neighbours along j
            const i64 k = k0 + g / 32;
            const i64 j = j0 + g % 32 * 4;
            four_elements(p.factor, k * p.out + j, v);
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                tile[g / 32][g % 32 * 4 + u] = k < p.in && j + u < p.out ? v[u] : 0.0f;
            }
        } else {  // four neighbours along k
            const i64 j = j0 + g / 4;
            const i64 k = k0 + g % 4 * 4;
            four_elements(p.factor, j * p.in + k, v);
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                tile[g % 4 * 4 + u][g / 4] = k + u < p.in && j < p.out ? v[u] : 0.0f;
            }
        }
    }
}

/// Element `number` of the scaled input.
template <int Input>
__device__ __forceinline__ float input_element(const KroneckerDenseArguments& p, i64 number) {
    float x;
    if constexpr (Input == kGenerated) {
        x = random_element(p.core, number);
    } else {
        x = Element<Input>::decode(static_cast<const typename Element<Input>::Storage*>(p.input)[number]);
    }
    return p.scale == nullptr ? x : x * p.scale[scale_at(p.scale_index, number).index];
}

/// Loads In[·, k0 … k0 + 15, ·] of 128 fibres; outside of the tensor it is zero.
template <int Input>
__device__ __forceinline__ void load_input(const KroneckerDenseArguments& p, i64 k0, i64 f0, Tile& tile) {
#pragma unroll 1
    for (u32 g = threadIdx.x; g < kTile * kDepth / 4; g += 256) {
        if (p.trailing > 1) {  // four neighbours along f
            const FibreOffsets fibre(p, f0 + g % 32 * 4, p.in);
            const i64 k = k0 + g / 32;
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                const bool inside = k < p.in && fibre.at[u] >= 0;
                tile[g / 32][g % 32 * 4 + u] = inside ? input_element<Input>(p, fibre.at[u] + k * p.trailing) : 0.0f;
            }
        } else {  // four neighbours along k
            const i64 f = f0 + g / 4;
            const i64 k = k0 + g % 4 * 4;
            float v[4] = {};
            if (f < p.fibres && k < p.in) {
                if constexpr (Input == kGenerated) {
                    four_elements(p.core, f * p.in + k, v);
                }
#pragma unroll
                for (int u = 0; u < 4; ++u) {
                    const i64 number = f * p.in + k + u;
                    if (k + u >= p.in) {
                        v[u] = 0.0f;
                    } else if constexpr (Input != kGenerated) {
                        v[u] = input_element<Input>(p, number);
                    } else if (p.scale != nullptr) {
                        v[u] *= p.scale[scale_at(p.scale_index, number).index];
                    }
                }
            }
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                tile[g % 4 * 4 + u][g / 4] = v[u];
            }
        }
    }
}

/// Adds one tile's products. The thread's j are 4·ty … + 3 and 64 more, its fibres 4·tx … + 3 and 64 more.
__device__ __forceinline__ void multiply(const Tile& factor, const Tile& input, u32 tx, u32 ty, float (&sum)[8][8]) {
#pragma unroll 4
    for (int k = 0; k < kDepth; ++k) {
        float m[8], x[8];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float4 a = *reinterpret_cast<const float4*>(&factor[k][64 * half + 4 * ty]);
            const float4 b = *reinterpret_cast<const float4*>(&input[k][64 * half + 4 * tx]);
            m[4 * half] = a.x, m[4 * half + 1] = a.y, m[4 * half + 2] = a.z, m[4 * half + 3] = a.w;
            x[4 * half] = b.x, x[4 * half + 1] = b.y, x[4 * half + 2] = b.z, x[4 * half + 3] = b.w;
        }
#pragma unroll
        for (int j = 0; j < 8; ++j) {
#pragma unroll
            for (int f = 0; f < 8; ++f) {
                sum[j][f] = fmaf(m[j], x[f], sum[j][f]);
            }
        }
    }
}

/// Writes the thread's 8 × 8 outputs.
__device__ __forceinline__ void store(const KroneckerDenseArguments& p, i64 j0, i64 f0, u32 tx, u32 ty, const float (&sum)[8][8]) {
    using Type = Element<TERA_OUTPUT>;
    using Storage = typename Type::Storage;
    Storage* output = static_cast<Storage*>(p.output);
    const Storage* add_to = static_cast<const Storage*>(p.add_to);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const FibreOffsets fibre(p, f0 + 64 * half + 4 * tx, p.out);
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            const i64 row = j0 + 64 * (j / 4) + 4 * ty + j % 4;
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                if (row < p.out && fibre.at[u] >= 0) {
                    const i64 number = fibre.at[u] + row * p.trailing;
                    const float value = sum[j][4 * half + u];
                    output[number] = Type::encode(
                        add_to != nullptr ? finish(value, p.alpha, Type::decode(add_to[number])) : finish(value, p.alpha));
                }
            }
        }
    }
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256, 1) kronecker_dense(const __grid_constant__ tera::KroneckerDenseArguments p) {
    using namespace tera;
    __shared__ __align__(16) Tile factor[2];
    __shared__ __align__(16) Tile input[2];
    const i64 f0 = static_cast<i64>(blockIdx.x) * kTile;
    const i64 j0 = static_cast<i64>(blockIdx.y) * kTile;
    const u32 tx = threadIdx.x % 16;
    const u32 ty = threadIdx.x / 16;
    float sum[8][8] = {};
    load_factor(p, 0, j0, factor[0]);
    load_input<TERA_INPUT>(p, 0, f0, input[0]);
    u32 current = 0;
    for (i64 k = 0; k < p.in; k += kDepth) {
        __syncthreads();  // the current tiles are complete, and nobody reads the others any more
        if (k + kDepth < p.in) {
            load_factor(p, k + kDepth, j0, factor[current ^ 1]);
            load_input<TERA_INPUT>(p, k + kDepth, f0, input[current ^ 1]);
        }
        multiply(factor[current], input[current], tx, ty, sum);
        current ^= 1;
    }
    store(p, j0, f0, tx, ty, sum);
}
