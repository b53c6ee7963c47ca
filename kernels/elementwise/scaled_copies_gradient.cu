// The gradients of the scales of scaled_copies.cu from the gradient E of its output, in float32 in a fixed order, E read once:
//   row_gradient[ρ, b]    += Σ_k E[j, k] · input[ρ, k] · γ[b, k]
//   column_gradient[b, k] += Σ_ρ E[j, k] · input[ρ, k] · λ[ρ, b]
//
// A block takes a tile of columns and a part of the rows of one copy, both cut by the shape alone. A group of `width` threads walks over rows,
// four columns a thread, and `depth` groups take the rows in turn. Rows: a warp's sums go to shared memory, and are added over the
// warps of a group. Columns: a thread sums its own, and the groups' sums are added in order. Where the columns have more tiles or the rows more parts
// than one, their sums go to the workspace, and a second kernel adds them in order.
//
// TERA_GRADIENT, TERA_DTYPE: of E and of the input; 0 float32, 1 bfloat16, 2 float16.
#include "common/quads.cuh"
#include "common/reductions.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

constexpr int kSumThreads = 1024; // at most
constexpr int kSumRows = 4;       // rows that a thread has under way
constexpr int kPartWarps = 16;    // of a block of the second kernel
constexpr int kPartThreads = 32 * kPartWarps;

/// Same layout as the C# struct.
struct ScaledCopiesGradientArguments {
    const void* gradient;
    const void* input;
    const float* row_scale;    // rows × copies
    const float* column_scale; // copies × columns
    float* row_gradient;
    float* column_gradient;
    float* row_partial;    // tiles × rows × copies, where there are several tiles
    float* column_partial; // parts × copies × columns, where there are several parts
    i64 rows;
    i64 columns;
    i64 stride;
    i64 copies;
    i64 part_rows;
    u32 tiles; // of 4·width columns
    u32 parts;
    u32 row_by_row;
    u32 width; // a multiple of 32
    u32 depth;
    u32 column_blocks; // of the second kernel: those that add column sums
};

/// Which part of E a block or a thread sums.
struct SumPlace {
    u32 copy, tile, part, across, down;
    int rows;   // of the part
    u32 column; // the thread's first
    int count;  // of its four columns, those that exist

    __device__ __forceinline__ explicit SumPlace(const ScaledCopiesGradientArguments& p) {
        tile = blockIdx.x % p.tiles, part = blockIdx.x / p.tiles % p.parts;
        copy = blockIdx.x / p.tiles / p.parts;
        rows = static_cast<int>(min(p.part_rows, p.rows - begin(p)));
        across = threadIdx.x % p.width, down = threadIdx.x / p.width;
        column = 4 * (tile * p.width + across);
        count = static_cast<int>(max(min(p.columns - column, static_cast<i64>(4)), static_cast<i64>(0)));
    }

    /// The part's first row of the copy.
    __device__ __forceinline__ i64 begin(const ScaledCopiesGradientArguments& p) const { return part * p.part_rows; }
};

/// What a thread multiplies: its columns of every row that its group takes, one after another.
struct SumRows {
    using Gradient = typename Element<TERA_GRADIENT>::Storage;
    using Input = typename Element<TERA_DTYPE>::Storage;
    const Gradient* gradient;
    const Input* input;
    const float* row_scale;
    i64 gradient_step, input_step, scale_step;
    int count; // of four columns, those that exist
    bool whole; // all do, and their addresses are those of quads

    float e[kSumRows][4], a[kSumRows][4], lambda[kSumRows];

    __device__ __forceinline__ SumRows(const ScaledCopiesGradientArguments& p, const SumPlace& place) {
        const i64 row = place.begin(p) + place.down, number = p.row_by_row ? row * p.copies + place.copy : place.copy * p.rows + row;
        gradient = static_cast<const Gradient*>(p.gradient) + number * p.columns + place.column;
        input = static_cast<const Input*>(p.input) + row * p.stride + place.column;
        row_scale = p.row_scale + row * p.copies + place.copy;
        gradient_step = p.depth * (p.row_by_row ? p.copies : 1) * p.columns, input_step = p.depth * p.stride, scale_step = p.depth * p.copies;
        count = place.count;
        whole = count == 4 && quad_aligned<TERA_GRADIENT>(p.gradient) && p.columns % 4 == 0 && quad_aligned<TERA_DTYPE>(p.input) && p.stride % 4 == 0;
    }

    /// Reads the next rows, of which so many exist; zeros for the others.
    __device__ __forceinline__ void next(int rows) {
        if (whole && rows >= kSumRows) {
#pragma unroll
            for (int i = 0; i < kSumRows; ++i) {
                read<true>(i);
            }
        } else {
#pragma unroll
            for (int i = 0; i < kSumRows; ++i) {
                if (i < rows && whole) {
                    read<true>(i);
                } else if (i < rows) {
                    read<false>(i);
                } else {
                    e[i][0] = e[i][1] = e[i][2] = e[i][3] = a[i][0] = a[i][1] = a[i][2] = a[i][3] = lambda[i] = 0.0f;
                }
            }
        }
    }

private:
    template <bool Whole>
    __device__ __forceinline__ void read(int i) {
        read_quad<TERA_GRADIENT>(gradient, 0, Whole ? 4 : count, Whole, e[i]);
        read_quad<TERA_DTYPE>(input, 0, Whole ? 4 : count, Whole, a[i]);
        lambda[i] = *row_scale;
        gradient += gradient_step, input += input_step, row_scale += scale_step;
    }
};

/// Four sums over a warp at once: lane l has that of number l / 8.
__device__ __forceinline__ float warp_sums(const float (&x)[kSumRows]) {
    const bool upper = threadIdx.x & 16, second = threadIdx.x & 8;
    const float other0 = __shfl_xor_sync(kWholeWarp, upper ? x[0] : x[2], 16), other1 = __shfl_xor_sync(kWholeWarp, upper ? x[1] : x[3], 16);
    const float y0 = (upper ? x[2] : x[0]) + other0, y1 = (upper ? x[3] : x[1]) + other1;
    float y = (second ? y1 : y0) + __shfl_xor_sync(kWholeWarp, second ? y0 : y1, 8);
#pragma unroll
    for (int distance = 4; distance > 0; distance /= 2) {
        y += __shfl_xor_sync(kWholeWarp, y, distance);
    }
    return y;
}

/// Sums the thread's columns over its rows, and each row over the warp's columns into row_sums (rows of the part × warps of a group).
__device__ __forceinline__ void sum_rows(const ScaledCopiesGradientArguments& p, const SumPlace& place, float* row_sums, float (&columns)[4]) {
    float gamma[4];
    read_quad<kFloat32>(p.column_scale, place.copy * p.columns + place.column, place.count, quad_aligned<kFloat32>(p.column_scale) && p.columns % 4 == 0, gamma);
    SumRows rows(p, place);
    const u32 lane = threadIdx.x % 32;
    const int depth = static_cast<int>(p.depth), warps = static_cast<int>(p.width / 32);
    float* to = row_sums + place.across / 32;
    int left = (place.rows - static_cast<int>(place.down) + depth - 1) / depth;
#pragma unroll 1
    for (int row = static_cast<int>(place.down); left > 0; row += kSumRows * depth, left -= kSumRows) {
        rows.next(left);
        float sums[kSumRows] = {};
#pragma unroll
        for (int i = 0; i < kSumRows; ++i) {
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                const float product = rows.e[i][u] * rows.a[i][u];
                sums[i] = fmaf(product, gamma[u], sums[i]);
                columns[u] = fmaf(product, rows.lambda[i], columns[u]);
            }
        }
        const float sum = warp_sums(sums);
        const int mine = row + static_cast<int>(lane / 8) * depth;
        if (lane % 8 == 0 && mine < place.rows) {
            to[mine * warps] = sum;
        }
    }
}

/// Where a block's sums of rows go: the gradient, or the workspace where the columns have several tiles.
struct RowSums {
    const ScaledCopiesGradientArguments& p;
    const SumPlace& place;
    const float* sums;
    int row = static_cast<int>(threadIdx.x / 32); // of a warp, one after another
    float before = 0.0f;

    __device__ __forceinline__ i64 index() const { return (place.begin(p) + row) * p.copies + place.copy; }

    /// Reads what the warp's next sum is added to.
    __device__ __forceinline__ void prepare() { before = p.tiles == 1 && threadIdx.x % 32 == 0 && row < place.rows ? p.row_gradient[index()] : 0.0f; }

    /// Adds each row's sums over the warps of a group, a row a warp.
    __device__ __forceinline__ void finish() {
        const u32 lane = threadIdx.x % 32;
        const int warps = static_cast<int>(p.width / 32);
        while (row < place.rows) {
            const float sum = warp_sum(lane < p.width / 32 ? sums[row * warps + lane] : 0.0f);
            if (lane == 0) {
                (p.tiles == 1 ? p.row_gradient : p.row_partial + place.tile * p.rows * p.copies)[index()] = before + sum;
            }
            row += warps * static_cast<int>(p.depth);
            prepare();
        }
    }
};

/// Where a block's sums of columns go: the gradient, or the workspace where the rows have several parts. Four columns a thread, as they were
/// summed: the first group's threads.
struct ColumnSums {
    const ScaledCopiesGradientArguments& p;
    const SumPlace& place;
    const float* sums;
    float before[4] = {};

    __device__ __forceinline__ bool mine() const { return place.down == 0; }

    __device__ __forceinline__ i64 index() const { return place.copy * p.columns + place.column; }

    __device__ __forceinline__ bool aligned(const float* to) const { return quad_aligned<kFloat32>(to) && p.columns % 4 == 0; }

    /// Reads what the sums are added to.
    __device__ __forceinline__ void prepare() {
        if (mine() && p.parts == 1) {
            read_quad<kFloat32>(p.column_gradient, index(), place.count, aligned(p.column_gradient), before);
        }
    }

    /// Adds the groups' sums in order.
    __device__ __forceinline__ void finish(float (&columns)[4]) {
        if (!mine()) {
            return;
        }
#pragma unroll 4
        for (u32 group = 1; group < p.depth; ++group) {
            const float4 more = *reinterpret_cast<const float4*>(sums + 4 * (group * p.width + place.across));
            columns[0] += more.x, columns[1] += more.y, columns[2] += more.z, columns[3] += more.w;
        }
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            columns[u] += before[u];
        }
        float* to = p.parts == 1 ? p.column_gradient : p.column_partial + place.part * p.copies * p.columns;
        write_quad<kFloat32>(to, index(), place.count, aligned(to), columns);
    }
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(tera::kSumThreads) scaled_copies_gradient(const __grid_constant__ tera::ScaledCopiesGradientArguments p) {
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    float* column_sums = reinterpret_cast<float*>(shared); // depth × 4·width
    float* row_sums = column_sums + 4 * p.width * p.depth;
    const SumPlace place(p);
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    float columns[4] = {};
    sum_rows(p, place, row_sums, columns);
    RowSums rows{p, place, row_sums};
    ColumnSums sums{p, place, column_sums};
    rows.prepare();
    sums.prepare();
    if (place.down > 0) {
        *reinterpret_cast<float4*>(column_sums + 4 * threadIdx.x) = make_float4(columns[0], columns[1], columns[2], columns[3]);
    }
    __syncthreads();
    rows.finish();
    sums.finish(columns);
}

extern "C" __global__ void __launch_bounds__(tera::kPartThreads) scaled_copies_gradient_parts(const __grid_constant__ tera::ScaledCopiesGradientArguments p) {
    using namespace tera;
    extern __shared__ __align__(1024) unsigned char shared[];
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    if (blockIdx.x >= p.column_blocks) {
        const i64 count = p.rows * p.copies, i = static_cast<i64>(blockIdx.x - p.column_blocks) * kPartThreads + threadIdx.x;
        if (i < count) {
            const float before = p.row_gradient[i];
            float sum = 0.0f;
            for (u32 tile = 0; tile < p.tiles; ++tile) {
                sum += p.row_partial[tile * count + i];
            }
            p.row_gradient[i] = before + sum;
        }
        return;
    }
    float* sums = reinterpret_cast<float*>(shared); // a warp's after another's
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 count = p.copies * p.columns, i = static_cast<i64>(blockIdx.x) * 32 + lane;
    const float before = warp == 0 && i < count ? p.column_gradient[i] : 0.0f; // read beside the parts, not after them
    float sum = 0.0f;
    if (i < count) {
#pragma unroll 8
        for (u32 part = warp; part < p.parts; part += kPartWarps) {
            sum += p.column_partial[part * count + i];
        }
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (warp == 0 && i < count) {
        sum = 0.0f;
#pragma unroll
        for (int w = 0; w < kPartWarps; ++w) {
            sum += sums[32 * w + lane];
        }
        p.column_gradient[i] = before + sum;
    }
}
