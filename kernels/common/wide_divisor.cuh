// Division of numbers below 2^31 by one that the host knows: a multiplication and a shift. Where all numbers are below 2^16, Divisor
// (kronecker/indices.cuh) needs no shift.
#pragma once

#include "common/host_device.cuh"

namespace tera {

/// The same layout as the C# struct WideDivisor: multiplier = ⌈2^(31 + shift) / value⌉ with the least shift for which value ≤ 2^shift. Exact: with
/// multiplier·value = 2^(31 + shift) + e, e < value ≤ 2^shift, what is rounded down is n / value + n·e / (value·2^(31 + shift)), and for n < 2^31 the
/// second term is below 1 / value.
struct WideDivisor {
    u32 value, multiplier, shift;

    /// ⌊n / value⌋ for n < 2^31.
    TERA_HOST_DEVICE u32 quotient(u32 n) const { return static_cast<u32>(static_cast<u64>(n << 1) * multiplier >> 32) >> shift; }
};

} // namespace tera
