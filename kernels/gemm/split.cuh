// A float32 as the sum of three bfloat16, so that bfloat16 tensor cores multiply it with full accuracy. Plain C++:
// tests/native/split_tests.cpp proves that the split is exact and bounds what six of the nine products leave out.
#pragma once

#include "common/host_device.cuh"

namespace tera::gemm {

/// x = high + middle + low for two neighbours along K, each part packed in pairs (the first in the low half). Every part is rounded
/// to nearest (ties away from zero), so that the rest has at most 16, then 8 bits, and either sign.
struct SplitPair {
    u32 part[3]; // high, middle, low

    TERA_HOST_DEVICE static SplitPair of(float x, float y)
    {
        SplitPair split;
TERA_UNROLL
        for (int i = 0; i < 2; ++i) {
            const u32 high_x = (float_bits(x) + 0x8000u) & 0xFFFF0000u;
            const u32 high_y = (float_bits(y) + 0x8000u) & 0xFFFF0000u;
            split.part[i] = (high_x >> 16) | high_y;
            x = add_rn(x, -bits_float(high_x)); // exact
            y = add_rn(y, -bits_float(high_y));
        }
        split.part[2] = (float_bits(x) >> 16) | (float_bits(y) & 0xFFFF0000u); // exact: no more than eight bits are left
        return split;
    }
};

} // namespace tera::gemm
