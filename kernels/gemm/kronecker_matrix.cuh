// A Kronecker product of regenerated factors, multiplied out: output[o, i] = alpha · Π_m M_m[o_m, i_m] · scale_m[i_m], row-major, the last mode fastest.
//
// Mapping: a thread takes eight elements at a time, neighbours beside each other in a warp. Where the factors fit, every block first generates all
// of them into shared memory; otherwise each element's are generated one by one. The same numbers either way, and they are multiplied from the last
// mode to the first, or the last one last. Scales are another kernel's.
#pragma once

#include "common/dtype.cuh"
#include "common/wide_divisor.cuh"
#include "gemm/core_values.cuh"
#include "ptx/griddepcontrol.cuh"
#include "random/distributions.cuh"

namespace tera {

constexpr int kMatrixModes = 32, kMatrixNumbers = 8;

/// M_m[o, i] is number o·out_step + i·in_step of the factor.
struct MatrixMode {
    u32 stream;
    WideDivisor in, out;
    u32 in_step, out_step;
    u32 place; // of the factor in shared memory, a multiple of four floats
    const float* scale; // or null
};

/// The same layout as the C# struct KroneckerMatrix.
struct KroneckerMatrix {
    Element<TERA_DTYPE>::Storage* output;
    RandomSource factors; // but the stream
    u32 count;            // below 2^31
    WideDivisor columns;
    float alpha;
    u32 modes;
    u32 places;     // floats of all factors in shared memory; 0 where they are not kept
    u32 last_apart; // whether the other modes' product is multiplied by the last one's number, instead of the other way round
};

/// The same layout as the C# struct KroneckerMatrixArguments.
struct KroneckerMatrixArguments : KroneckerMatrix {
    MatrixMode mode[kMatrixModes];
};

__device__ __forceinline__ RandomSource factor_of(const KroneckerMatrix& p, const MatrixMode& mode)
{
    RandomSource source = p.factors;
    source.stream = mode.stream;
    return source;
}

/// A number of a mode's factor times its scale, which must have been waited for.
__device__ __forceinline__ float scaled(const MatrixMode& mode, u32 number, float value)
{
    if (mode.scale == nullptr) {
        return value;
    }
    const u32 i = mode.in_step == 1 ? number - mode.in.quotient(number) * mode.in.value : mode.out.quotient(number);
    return i < mode.in.value ? value * mode.scale[i] : value;
}

/// All factors, four numbers a thread; the last four of a factor may be more than it has.
template <int Threads>
__device__ __forceinline__ void generate_factors(const KroneckerMatrix& p, const MatrixMode* modes, float* factors)
{
    u32 m = 0;
    for (u32 place = 4 * threadIdx.x; place < p.places; place += 4 * Threads) {
        while (m + 1 < p.modes && place >= modes[m + 1].place) {
            ++m;
        }
        const MatrixMode& mode = modes[m];
        const u32 number = place - mode.place;
        float x[4];
        consecutive_elements<4>(factor_of(p, mode), number, x);
        if (mode.scale != nullptr) {
            ptx::griddepcontrol_wait();
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            x[j] = scaled(mode, number + j, x[j]);
        }
        *reinterpret_cast<float4*>(factors + place) = make_float4(x[0], x[1], x[2], x[3]);
    }
}

/// A thread's elements, Threads apart: side by side, since a single one is a long chain of short steps. Past the end they are the last one.
/// read(mode, number) is a number of a mode's factor.
template <int Threads, class Read>
__device__ __forceinline__ void matrix_elements(const KroneckerMatrix& p, const MatrixMode* modes, u32 first, float (&product)[kMatrixNumbers], const Read& read)
{
    float last[kMatrixNumbers];
    u32 row[kMatrixNumbers], column[kMatrixNumbers];
#pragma unroll
    for (int i = 0; i < kMatrixNumbers; ++i) {
        const u32 index = min(first + i * Threads, p.count - 1);
        row[i] = p.columns.quotient(index);
        column[i] = index - row[i] * p.columns.value;
        product[i] = p.alpha;
        last[i] = 1;
    }
#pragma unroll 1
    for (u32 m = p.modes; m-- > 0;) {
        const MatrixMode mode = modes[m];
        const bool apart = p.last_apart != 0 && m + 1 == p.modes;
#pragma unroll
        for (int i = 0; i < kMatrixNumbers; ++i) {
            const u32 rows = mode.out.quotient(row[i]), columns = mode.in.quotient(column[i]);
            const u32 number = (row[i] - rows * mode.out.value) * mode.out_step + (column[i] - columns * mode.in.value) * mode.in_step;
            (apart ? last[i] : product[i]) *= read(mode, number);
            row[i] = rows;
            column[i] = columns;
        }
    }
#pragma unroll
    for (int i = 0; i < kMatrixNumbers; ++i) {
        product[i] *= last[i];
    }
}

/// What block number `block` of `blocks` has of the matrix, every block kMatrixNumbers·Threads elements at a time. Of another kernel's only the scales are
/// read; without them only the writes wait for it.
template <int Threads>
__device__ __forceinline__ void write_matrix(const KroneckerMatrix& p, const MatrixMode* modes, u32 block, u32 blocks, float* factors)
{
    constexpr u32 kShare = kMatrixNumbers * Threads;
    generate_factors<Threads>(p, modes, factors);
    __syncthreads();
    for (u32 first = block * kShare + threadIdx.x; first < p.count; first += blocks * kShare) {
        float product[kMatrixNumbers];
        if (p.places > 0) {
            matrix_elements<Threads>(p, modes, first, product, [&](const MatrixMode& mode, u32 number) { return factors[mode.place + number]; });
        } else {
            if (modes[0].scale != nullptr) {
                ptx::griddepcontrol_wait();
            }
            matrix_elements<Threads>(
                p, modes, first, product, [&](const MatrixMode& mode, u32 number) { return scaled(mode, number, gemm::single_element(factor_of(p, mode), number)); });
        }
        ptx::griddepcontrol_wait();
#pragma unroll
        for (int i = 0; i < kMatrixNumbers; ++i) {
            if (first + i * Threads < p.count) {
                p.output[first + i * Threads] = Element<TERA_DTYPE>::encode(product[i]);
            }
        }
    }
}

} // namespace tera
