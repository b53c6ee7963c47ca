// Division of numbers below 2^31 by one that the host knows, in a multiplication and a shift (kernels/kronecker/indices.cuh has a shorter one, below 2^16).
#pragma once

#include "common/host_device.cuh"

namespace tera {

/// The same layout as the C# struct WideDivisor: ⌈2^(31 + shift) / value⌉ with the least shift for which value ≤ 2^shift. The multiplier is too large by less
/// than value ≤ 2^shift parts of 2^(31 + shift), so that a quotient below 2^31 is too large by less than 1 / value: the next integer is never reached.
struct WideDivisor {
    u32 value, multiplier, shift;

    /// ⌊n / value⌋ for n < 2^31.
    TERA_HOST_DEVICE u32 quotient(u32 n) const { return static_cast<u32>(static_cast<u64>(n << 1) * multiplier >> 32) >> shift; }
};

} // namespace tera
