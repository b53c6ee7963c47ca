// The factors of kernels/kronecker/wgmma_modes.cu: made from the seed at the start of every block, while the first stages fill. With TERA_PREPARED a kernel before
// has made them (kernels/gemm/kronecker_matrices.cu): F then comes through the copy engine beside the first stages, and F₁ is read here.
#pragma once

#include "kronecker/modes_config.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

/// All factors with their scales, out × in in float32, one table after another. The scales may be the work of the kernel before, the rest is not.
__device__ void generate_tables(const ModesArguments& p, float* tables, int thread, int threads)
{
    bool scaled = false;
#pragma unroll
    for (int m = 0; m < kModes; ++m) {
        scaled |= p.modes[m].scale != nullptr;
    }
    for (int e = 4 * thread; e < table_start(kModes); e += 4 * threads) {
        RandomSource source = p.factors;
        int start = 0;
#pragma unroll
        for (int m = 0; m < kModes; ++m) {
            if (e >= table_start(m)) {
                source.stream = p.modes[m].stream;
                start = table_start(m);
            }
        }
        float v[4];
        consecutive_elements<4>(source, e - start, v);
        if (scaled) {
            ptx::griddepcontrol_wait();
        }
#pragma unroll
        for (int m = 0; m < kModes; ++m) {
            const int in = kModeIn[m], out = kModeOut[m], number = e - table_start(m);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                if (number >= 0 && number + j < in * out) {
                    const int i = p.modes[m].contract ? (number + j) / out : (number + j) % in;
                    const int o = p.modes[m].contract ? (number + j) % out : (number + j) / in;
                    tables[table_start(m) + o * in + i] = p.modes[m].scale ? v[j] * p.modes[m].scale[i] : v[j];
                }
            }
        }
    }
}

/// Element (o, i) of the product of modes 1 … End − 1, in float32.
template <int End>
__device__ __forceinline__ float product_element(const float* tables, int o, int i)
{
    float value = 1;
#pragma unroll
    for (int m = End - 1; m > 0; --m) {
        value *= tables[table_start(m) + o % kModeOut[m] * kModeIn[m] + i % kModeIn[m]];
        o /= kModeOut[m];
        i /= kModeIn[m];
    }
    return value;
}

/// Elements (o, i) … (o, i + 7) of F₂ ⊗ F₃ ⊗ …
__device__ __forceinline__ void factor_chunk(const ModesArguments& p, const float* tables, int o, int i, float (&v)[8])
{
    constexpr int kLast = kModes - 1, in = kModeIn[kLast], out = kModeOut[kLast];
    if constexpr (in % 8 == 0) {
        const float others = p.rest_scale * product_element<kLast>(tables, o / out, i / in);
        const float* last = tables + table_start(kLast) + o % out * in + i % in;
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
            const float4 four = *reinterpret_cast<const float4*>(last + j);
            v[j] = others * four.x;
            v[j + 1] = others * four.y;
            v[j + 2] = others * four.z;
            v[j + 3] = others * four.w;
        }
    } else {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            v[j] = p.rest_scale * product_element<kModes>(tables, o, i + j);
        }
    }
}

/// Eight of F's elements, rounded once, to their place in the swizzled A operand: for each 64 of i, all rows of 128 bytes.
__device__ __forceinline__ void store_factor_chunk(const ModesArguments& p, const float* tables, unsigned char* factor, int first_row, int row, int chunk)
{
    uint4 packed = {0, 0, 0, 0};
    if (first_row + row < kRestOut) {
        float v[8];
        factor_chunk(p, tables, first_row + row, 8 * chunk, v);
        packed = {E::encode2(v[0], v[1]), E::encode2(v[2], v[3]), E::encode2(v[4], v[5]), E::encode2(v[6], v[7])};
    }
    *reinterpret_cast<uint4*>(factor + chunk / 8 * kFactorBoxBytes + swizzled(row, chunk % 8)) = packed;
}

/// F from row `first_row`. Where it comes out even a thread keeps to its columns, whose part of the work is then done once.
template <int Threads>
__device__ void build_factor(const ModesArguments& p, const float* tables, unsigned char* factor, int first_row, int thread)
{
    constexpr int kRowChunks = kRestIn / 8;
    if constexpr (Threads % kRowChunks == 0) {
#pragma unroll 4
        for (int row = thread / kRowChunks; row < kFactorRows; row += Threads / kRowChunks) {
            store_factor_chunk(p, tables, factor, first_row, row, thread % kRowChunks);
        }
    } else {
#pragma unroll 2
        for (int e = thread; e < kFactorRows * kRowChunks; e += Threads) {
            store_factor_chunk(p, tables, factor, first_row, e / kRowChunks, e % kRowChunks);
        }
    }
}

/// F₁ as B fragments of mma, [k block][o₁ group][lane]: element (i₁, o₁) with i₁ along K. pair(o₁, i₁) is two neighbours, zeros where there are none.
template <class Pair>
__device__ __forceinline__ void build_fragments(const Pair& pair, uint2* fragments, int thread, int threads)
{
    for (int e = thread; e < kFirstFragments; e += threads) {
        const int lane = e % 32, k = e / 32 / kOutGroups, o = e / 32 % kOutGroups * 8 + lane / 4, i = 16 * k + lane % 4 * 2;
        fragments[e] = {pair(o, i), pair(o, i + 8)};
    }
}

/// From its table.
__device__ void build_first(const float* table, uint2* fragments, int thread, int threads)
{
    constexpr int in = kFirstIn, out = kFirstOut;
    const auto pair = [&](int o, int i) { return E::encode2(o < out && i < in ? table[o * in + i] : 0, o < out && i + 1 < in ? table[o * in + i + 1] : 0); };
    build_fragments(pair, fragments, thread, threads);
}

/// From its rows in memory.
__device__ void load_first_mode(const unsigned short* rows, uint2* fragments, int thread, int threads)
{
    constexpr int in = kFirstIn, out = kFirstOut;
    const auto element = [&](int o, int i) { return o < out && i < in ? static_cast<unsigned>(rows[o * in + i]) : 0; };
    build_fragments([&](int o, int i) { return element(o, i) | element(o, i + 1) << 16; }, fragments, thread, threads);
}

} // namespace tera
