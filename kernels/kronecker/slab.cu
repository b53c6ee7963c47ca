// Kronecker product with a tensor, several modes in one pass: Out[o, j…, i] = (AddTo) + alpha · Σ_k (⊗ₘ Mₘ)[j…, k…]·scale[k…]·In[o, k…, i].
//
// A block takes one slab after another into shared memory (float32), applies one mode after another from one half of it to the other,
// and writes the slab out with one rounding. The factors are generated into shared memory once a block. Sums run over k upwards, each in
// one thread, so the result depends neither on the grid nor on the tile.
//
// Thread mapping of a mode's product: a warp takes 8 outputs j of 32 or 128 fibres (a, c); lane l has fibres l, l + 32, …; the factor's
// eight numbers are the same for the whole warp (two broadcast reads of 16 bytes), the fibres' elements are neighbours.
//
// TERA_INPUT: 0 float32, 1 bfloat16, 2 float16, 3 generated core. TERA_OUTPUT: 0, 1, 2; also the element type of AddTo.
#include "kronecker/operands.cuh"

namespace tera {

constexpr int kMaximumStages = 16;
constexpr int kOutputs = 8;  // j of one thread

/// Same layout as the C# struct KroneckerSlabArguments.
struct KroneckerSlabArguments {
    const void* input;    // null when generated
    void* output;
    const void* add_to;   // null for none; may be the output
    const float* scale;   // null for ones
    RandomSource core;
    RandomSource factors;  // the stream comes from the stage
    ScaleIndex scale_index;
    i64 outer;
    i64 inner;
    i64 slabs;
    i64 column_tiles;
    u32 tile_rows;
    u32 tile_columns;
    float alpha;
    u32 stages;
    SlabSide source;
    SlabSide target;
    KroneckerStage stage[kMaximumStages];
};

static_assert(sizeof(SlabSide) == 56 && sizeof(KroneckerStage) == 80, "layouts shared with C#");

/// Writes the stage's M, with its columns padded by zeros.
__device__ __forceinline__ void generate_factor(const KroneckerSlabArguments& p, const KroneckerStage& s, float* shared) {
    RandomSource source = p.factors;
    source.stream = s.stream;
    const u32 columns = s.contract ? s.out : s.in;
    const u32 count = s.in * s.out;
    for (u32 first = 4 * threadIdx.x; first < count; first += 4 * blockDim.x) {
        float v[4];
        consecutive_elements(source, first, v);
        u32 row = first / columns;
        u32 column = first - row * columns;
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            if (first + u < count) {
                shared[s.factor + (s.contract ? row * s.pitch + column : column * s.pitch + row)] = v[u];
            }
            if (++column == columns) {
                column = 0;
                ++row;
            }
        }
    }
    const u32 padding = s.pitch - s.out;
    for (u32 i = threadIdx.x; i < padding * s.in; i += blockDim.x) {
        const u32 k = i / padding;
        shared[s.factor + k * s.pitch + s.out + (i - k * padding)] = 0.0f;
    }
}

/// Multiplies N consecutive elements, the first being number `number` of the tensor, with their entries of the scale.
template <int N>
__device__ __forceinline__ void apply_scale(const KroneckerSlabArguments& p, u64 number, float (&v)[N]) {
    if (p.scale != nullptr) {
        ScaleWalk walk = scale_at(p.scale_index, number);
#pragma unroll
        for (int u = 0; u < N; ++u) {
            v[u] *= p.scale[walk.index];
            advance(p.scale_index, walk);
        }
    }
}

/// N consecutive elements of the slab, from e on, into shared memory; `aligned`: in quads.
template <int N>
__device__ __forceinline__ void put(const SlabSide& side, float* shared, u32 e, const float (&v)[N], bool aligned) {
    if (N % 4 == 0 && aligned) {
#pragma unroll
        for (int u = 0; u < N; u += 4) {
            *reinterpret_cast<float4*>(shared + side.buffer + place(side.layout, e + u)) = make_float4(v[u], v[u + 1], v[u + 2], v[u + 3]);
        }
    } else {
#pragma unroll
        for (int u = 0; u < N; ++u) {
            shared[side.buffer + place(side.layout, e + u)] = v[u];
        }
    }
}

/// Reads the slab from a tensor, N elements at a time (1, or 16 bytes of them).
template <int DType, int N>
__device__ __forceinline__ void load_tensor(const KroneckerSlabArguments& p, const SlabTile& tile, float* shared) {
    using Storage = typename Element<DType>::Storage;
    const SlabSide& side = p.source;
    const Storage* input = static_cast<const Storage*>(p.input);
    for (u32 g = threadIdx.x; g < side.runs * side.granules.value; g += blockDim.x) {
        const u32 run = quotient(g, side.granules);
        const u32 x = (g - run * side.granules.value) * N;
        const i64 number = tile.base + run * side.stride + x;
        float v[N] = {};
        if (run < tile.valid_runs && x < tile.valid_length) {
            if constexpr (N == 1) {
                v[0] = Element<DType>::decode(input[number]);
            } else {
                read_vector<DType>(input + number, v);
            }
            apply_scale(p, number, v);
        }
        put(side, shared, run * side.length + x, v, side.quads);
    }
}

/// Generates the slab: every generator block (four elements) that reaches into a run, by one thread.
__device__ __forceinline__ void load_generated(const KroneckerSlabArguments& p, const SlabTile& tile, float* shared) {
    const SlabSide& side = p.source;
    for (u32 g = threadIdx.x; g < side.runs * side.granules.value; g += blockDim.x) {
        const u32 run = quotient(g, side.granules);
        const i64 begin = tile.base + run * side.stride;
        const i64 number = (begin & ~3ll) + 4 * static_cast<i64>(g - run * side.granules.value);
        const i32 x = static_cast<i32>(number - begin);
        if (x >= static_cast<i32>(side.length)) {
            continue;
        }
        float v[4] = {};
        if (run < tile.valid_runs && x < static_cast<i32>(tile.valid_length)) {
            consecutive_elements(p.core, number, v);
            apply_scale(p, number, v);
        }
        if (side.vectors) {  // every run begins and ends on a block
            put(side, shared, run * side.length + x, v, side.quads);
        } else {
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                const i32 at = x + u;
                if (at >= 0 && at < static_cast<i32>(side.length)) {
                    const float one[1] = {at < static_cast<i32>(tile.valid_length) ? v[u] : 0.0f};
                    put(side, shared, run * side.length + at, one, false);
                }
            }
        }
    }
}

/// Fills the input slab; what lies outside the tensor becomes zero.
template <int Input>
__device__ __forceinline__ void load_slab(const KroneckerSlabArguments& p, const SlabTile& tile, float* shared) {
    if constexpr (Input == kGenerated) {
        load_generated(p, tile, shared);
    } else if (p.source.vectors) {
        load_tensor<Input, kVector<Input>>(p, tile, shared);
    } else {
        load_tensor<Input, 1>(p, tile, shared);
    }
}

/// One mode's product; T fibres a thread.
template <int T>
__device__ __forceinline__ void apply_mode(const KroneckerStage& s, float* shared) {
    const u32 lane = threadIdx.x % 32;
    const u32 output_tiles = s.pitch / kOutputs;
    const u32 items = (s.fibres + 32 * T - 1) / (32 * T) * output_tiles;
    for (u32 item = threadIdx.x / 32; item < items; item += blockDim.x / 32) {
        const u32 chunk = item / output_tiles;
        const u32 first_output = (item - chunk * output_tiles) * kOutputs;
        const u32 first_fibre = chunk * 32 * T + lane;
        u32 from[T];
        float sum[T][kOutputs] = {};
#pragma unroll
        for (int t = 0; t < T; ++t) {
            from[t] = fibre_source(s, min(first_fibre + 32 * t, s.fibres - 1));  // a fibre past the end repeats the last one
        }
        const float* row = shared + s.factor + first_output;
#pragma unroll 2
        for (u32 k = 0; k < s.in; ++k, row += s.pitch) {
            const float4 low = *reinterpret_cast<const float4*>(row);
            const float4 high = *reinterpret_cast<const float4*>(row + 4);
            const float m[kOutputs] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
            for (int t = 0; t < T; ++t) {
                const float x = shared[from[t]];
                from[t] += s.in_stride;
#pragma unroll
                for (int j = 0; j < kOutputs; ++j) {
                    sum[t][j] = fmaf(x, m[j], sum[t][j]);
                }
            }
        }
#pragma unroll
        for (int t = 0; t < T; ++t) {
            const u32 fibre = first_fibre + 32 * t;
            if (fibre < s.fibres) {
                float* to = shared + fibre_target(s, fibre) + first_output * s.out_stride;
#pragma unroll
                for (int j = 0; j < kOutputs; ++j) {
                    if (first_output + j < s.out) {
                        to[j * s.out_stride] = sum[t][j];
                    }
                }
            }
        }
    }
}

/// Writes the output slab, N elements at a time.
template <int N>
__device__ __forceinline__ void store_tensor(const KroneckerSlabArguments& p, const SlabTile& tile, const float* shared) {
    using Type = Element<TERA_OUTPUT>;
    using Storage = typename Type::Storage;
    const SlabSide& side = p.target;
    Storage* output = static_cast<Storage*>(p.output);
    const Storage* add_to = static_cast<const Storage*>(p.add_to);
    for (u32 g = threadIdx.x; g < side.runs * side.granules.value; g += blockDim.x) {
        const u32 run = quotient(g, side.granules);
        const u32 x = (g - run * side.granules.value) * N;
        if (run >= tile.valid_runs || x >= tile.valid_length) {
            continue;
        }
        const i64 number = tile.base + run * side.stride + x;
        const u32 e = run * side.length + x;
        float v[N];
        if (N % 4 == 0 && side.quads) {
#pragma unroll
            for (int u = 0; u + 3 < N; u += 4) {
                const float4 quad = *reinterpret_cast<const float4*>(shared + side.buffer + place(side.layout, e + u));
                v[u] = quad.x, v[u + 1] = quad.y, v[u + 2] = quad.z, v[u + 3] = quad.w;
            }
        } else {
#pragma unroll
            for (int u = 0; u < N; ++u) {
                v[u] = shared[side.buffer + place(side.layout, e + u)];
            }
        }
        float added[N];
        if (add_to != nullptr) {
            if constexpr (N == 1) {
                added[0] = Type::decode(add_to[number]);
            } else {
                read_vector<TERA_OUTPUT>(add_to + number, added);
            }
        }
#pragma unroll
        for (int u = 0; u < N; ++u) {
            v[u] = add_to != nullptr ? finish(v[u], p.alpha, added[u]) : finish(v[u], p.alpha);
        }
        if constexpr (N == 1) {
            output[number] = Type::encode(v[0]);
        } else {
            write_vector<TERA_OUTPUT>(output + number, v);
        }
    }
}

}  // namespace tera

extern "C" __global__ void __launch_bounds__(384, 1) kronecker_slab(const __grid_constant__ tera::KroneckerSlabArguments p) {
    using namespace tera;
    extern __shared__ float4 shared_quads[];
    float* shared = reinterpret_cast<float*>(shared_quads);
    for (u32 i = 0; i < p.stages; ++i) {
        generate_factor(p, p.stage[i], shared);
    }
    for (i64 slab = blockIdx.x; slab < p.slabs; slab += gridDim.x) {
        const i64 row_tile = slab / p.column_tiles;
        const i64 row = row_tile * p.tile_rows;
        const i64 column = (slab - row_tile * p.column_tiles) * p.tile_columns;
        const u32 rows = static_cast<u32>(min(static_cast<i64>(p.tile_rows), p.outer - row));
        const u32 columns = static_cast<u32>(min(static_cast<i64>(p.tile_columns), p.inner - column));
        __syncthreads();  // the slab before is written out
        load_slab<TERA_INPUT>(p, slab_tile(p.source, p.inner, row, column, rows, columns), shared);
        for (u32 i = 0; i < p.stages; ++i) {
            __syncthreads();  // the stage's input is complete, and nobody reads its target any more
            if (p.stage[i].per_thread == 4) {
                apply_mode<4>(p.stage[i], shared);
            } else {
                apply_mode<1>(p.stage[i], shared);
            }
        }
        __syncthreads();
        const SlabTile target = slab_tile(p.target, p.inner, row, column, rows, columns);
        if (p.target.vectors) {
            store_tensor<kVector<TERA_OUTPUT>>(p, target, shared);
        } else {
            store_tensor<1>(p, target, shared);
        }
    }
}
