// Eight neighbours of a row of the regenerated core G (R×S, element (r, s) is number r·S + s of its stream).
#pragma once

#include "random/distributions.cuh"

namespace tera::gemm {

struct Core {
    RandomSource source;
    i64 rows, columns; // R, S
};

/// Eight neighbours of row r from column s on, a multiple of eight: whole(values) with all of them where S is a multiple of eight,
/// otherwise single(i, value) one by one, since then they straddle the generator's blocks. Past a row's end the values are others'
/// but finite.
template <int D, class Whole, class Single>
__device__ __forceinline__ void visit_core(const Core& core, i64 r, i64 s, const Whole& whole, const Single& single)
{
    const u64 first = static_cast<u64>(r * core.columns + s);
    if (core.columns % 8 == 0) {
        float values[8];
        Factor<D>::template consecutive<8>(core.source, first, values);
        whole(values);
    } else {
        FactorReader<D> reader(core.source);
#pragma unroll 1
        for (int i = 0; i < 8; ++i) {
            single(i, reader(first + i));
        }
    }
}

/// Any element, by a call: for edges, where inlined generators would only take space and registers.
static __device__ __noinline__ float single_element(RandomSource source, u64 index) { return random_element(source, index); }

/// A distribution as a type, for generic lambdas.
template <int D>
struct DistributionTag {
    static constexpr int kValue = D;
};

/// Calls run with the tag of the core's distribution: one branch, the same for all threads.
template <class Run>
__device__ __forceinline__ void with_distribution(const Core& core, const Run& run)
{
    switch (core.source.distribution) {
    case kUniform: run(DistributionTag<kUniform>{}); break;
    case kRademacher: run(DistributionTag<kRademacher>{}); break;
    case kTernary: run(DistributionTag<kTernary>{}); break;
    default: run(DistributionTag<kNormal>{}); break;
    }
}

} // namespace tera::gemm
