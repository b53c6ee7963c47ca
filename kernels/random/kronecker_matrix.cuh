// A Kronecker product of regenerated factors, multiplied out: output[o, i] = alpha · Π_m M_m[o_m, i_m], row-major, the last mode fastest.
//
// Mapping: a thread takes single elements, neighbours beside each other, one grid further each time. Where the factors fit, every block
// first generates all of them into shared memory; otherwise each element's are generated one by one. The same numbers either way, and
// they are multiplied from the last mode to the first.
#pragma once

#include "common/dtype.cuh"
#include "ptx/griddepcontrol.cuh"
#include "random/distributions.cuh"

namespace tera {

constexpr int kMatrixModes = 32;

/// M_m[o, i] is number o·out_step + i·in_step of the factor.
struct MatrixMode {
    u32 stream, in, out, in_step, out_step;
    u32 place; // of the factor in shared memory, a multiple of four floats
};

/// The same layout as the C# struct KroneckerMatrixArguments.
struct KroneckerMatrixArguments {
    Element<TERA_DTYPE>::Storage* output;
    i64 count, columns;
    RandomSource factors; // but the stream
    float alpha;
    u32 modes;
    u32 places; // floats of all factors in shared memory; 0 where they are not kept
    u32 blocks;
    MatrixMode mode[kMatrixModes];
};

__device__ __forceinline__ RandomSource factor_of(const KroneckerMatrixArguments& p, u32 m)
{
    RandomSource source = p.factors;
    source.stream = p.mode[m].stream;
    return source;
}

/// All factors, four numbers a thread; the last four of a factor may be more than it has.
template <int Threads>
__device__ __forceinline__ void generate_factors(const KroneckerMatrixArguments& p, float* factors)
{
    u32 m = 0;
    for (u32 place = 4 * threadIdx.x; place < p.places; place += 4 * Threads) {
        while (m + 1 < p.modes && place >= p.mode[m + 1].place) {
            ++m;
        }
        float x[4];
        consecutive_elements<4>(factor_of(p, m), place - p.mode[m].place, x);
        *reinterpret_cast<float4*>(factors + place) = make_float4(x[0], x[1], x[2], x[3]);
    }
}

__device__ __forceinline__ float matrix_element(const KroneckerMatrixArguments& p, i64 index, const float* factors)
{
    const i64 line = divide(index, p.columns);
    u32 row = static_cast<u32>(line), column = static_cast<u32>(index - line * p.columns);
    float product = p.alpha;
    for (u32 m = p.modes; m-- > 0;) {
        const MatrixMode& mode = p.mode[m];
        const u32 rows = row / mode.out, columns = column / mode.in;
        const u32 number = (row - rows * mode.out) * mode.out_step + (column - columns * mode.in) * mode.in_step;
        product *= p.places > 0 ? factors[mode.place + number] : random_element(factor_of(p, m), number);
        row = rows;
        column = columns;
    }
    return product;
}

/// What block number `block` of p.blocks has of the matrix. Nothing of another kernel's is read, so only the writes wait for it.
template <int Threads>
__device__ __forceinline__ void write_matrix(const KroneckerMatrixArguments& p, u32 block, float* factors)
{
    generate_factors<Threads>(p, factors);
    __syncthreads();
    for (i64 index = static_cast<i64>(block) * Threads + threadIdx.x; index < p.count; index += static_cast<i64>(p.blocks) * Threads) {
        const auto element = Element<TERA_DTYPE>::encode(matrix_element(p, index, factors));
        ptx::griddepcontrol_wait();
        p.output[index] = element;
    }
    ptx::griddepcontrol_wait();
}

} // namespace tera
