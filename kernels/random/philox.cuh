// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11): a counter-based generator. Four words are a pure function of counter and key.
// Plain C++: shown correct on host and device by the authors' known answers (tests/data/philox4x32-10.kat).
#pragma once

#include "common/host_device.cuh"

namespace tera {

/// Four 32-bit words: a counter, or what the generator makes of it.
struct Words {
    u32 x0, x1, x2, x3;
};

TERA_HOST_DEVICE Words philox_round(Words c, u32 k0, u32 k1)
{
    const u64 p0 = mul_wide(c.x0, 0xD2511F53u);
    const u64 p1 = mul_wide(c.x2, 0xCD9E8D57u);
    return Words{static_cast<u32>(p1 >> 32) ^ c.x1 ^ k0, static_cast<u32>(p1),
                 static_cast<u32>(p0 >> 32) ^ c.x3 ^ k1, static_cast<u32>(p0)};
}

/// Ten rounds on counter c with key (k0, k1).
TERA_HOST_DEVICE Words philox4x32_10(Words c, u32 k0, u32 k1)
{
TERA_UNROLL
    for (int round = 0; round < 10; ++round) {
        c = philox_round(c, k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

}  // namespace tera
