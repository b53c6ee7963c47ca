// What becomes of a tile of kernels/kronecker/wgmma_modes.cu: rows, transposed rows, or sums alone. Each is a struct of the same form: made once for a
// thread, begin() before a tile, store() for its part of the results, finish() after the last.
#pragma once

#if TERA_MARGINALS
#include "kronecker/modes_marginals.cuh"
#elif TERA_TRANSPOSED_OUT
#include "kronecker/modes_units.cuh"
#include "kronecker/modes_words.cuh"
#else
#include "kronecker/modes_rows.cuh"
#endif

namespace tera {

#if TERA_MARGINALS
using Stores = MarginalSums;
#elif TERA_TRANSPOSED_OUT
template <bool First, class A, class B>
struct Choice {
    using Type = A;
};

template <class A, class B>
struct Choice<false, A, B> {
    using Type = B;
};

using Stores = Choice<kWords, WordStores, TransposedStores>::Type;
#else
using Stores = RowStores;
#endif

} // namespace tera
