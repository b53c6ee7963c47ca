// The emulation of kernels/ptx/convert.cuh, for finite numbers and NaN.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

namespace tera::ptx {

inline unsigned bits_of(float x)
{
    unsigned bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}

inline float cvt_f32_bf16(unsigned short x)
{
    const unsigned bits = static_cast<unsigned>(x) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline unsigned short cvt_bf16_f32(float x)
{
    const unsigned bits = bits_of(x);
    return std::isnan(x) ? 0x7FFF : static_cast<unsigned short>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float decode_f16(unsigned short x)
{
    const int exponent = x >> 10 & 31, fraction = x & 1023;
    const float size = exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
        : exponent == 0              ? std::ldexp(static_cast<float>(fraction), -24)
                                     : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    return x & 0x8000 ? -size : size;
}

/// Every float16 as a float.
inline const std::vector<float> f16_values = [] {
    std::vector<float> values(0x10000);
    for (unsigned i = 0; i < values.size(); ++i) {
        values[i] = decode_f16(static_cast<unsigned short>(i));
    }
    return values;
}();

inline float cvt_f32_f16(unsigned short x) { return f16_values[x]; }

inline unsigned short cvt_f16_f32(float x)
{
    const unsigned short sign = bits_of(x) >> 16 & 0x8000;
    if (std::isnan(x)) {
        return 0x7FFF;
    }
    const float size = std::fabs(x);
    if (size >= 65520) {
        return sign | 0x7C00;
    }
    // In units of the last place; std::nearbyint rounds ties to even.
    const int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
    const float units = std::nearbyint(std::ldexp(size, 10 - exponent));
    const int whole = static_cast<int>(units);
    return sign | static_cast<unsigned short>(size < 0x1p-14f ? whole : ((exponent + 14) << 10) + whole);
}

inline unsigned cvt_bf16x2_f32(float low, float high) { return cvt_bf16_f32(low) | static_cast<unsigned>(cvt_bf16_f32(high)) << 16; }
inline unsigned cvt_f16x2_f32(float low, float high) { return cvt_f16_f32(low) | static_cast<unsigned>(cvt_f16_f32(high)) << 16; }

} // namespace tera::ptx
