// The emulation of the approximate functions of kernels/ptx/arithmetic.cuh: as wrong as PTX allows, up or down by chance.
#pragma once

#include "cuda.h"

namespace tera::ptx {

/// A float as far from `exact` as `bound` lets it be.
inline float as_wrong_as(double exact, double bound)
{
    static unsigned long long state = 1;
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const double allowed = emulated::fault == emulated::Fault::rough_functions ? 8 * bound : bound;
    const float value = static_cast<float>(state >> 63 ? exact + allowed : exact - allowed);
    return std::fabs(value - exact) > allowed ? std::nextafterf(value, static_cast<float>(exact)) : value;
}

inline float lg2_approx(float x)
{
    const double exact = std::log2(static_cast<double>(x));
    return as_wrong_as(exact, std::ldexp(x > 0.5f && x < 2 ? 1 : std::fabs(exact), -22));
}

inline float rsqrt_approx(float x)
{
    const double exact = 1 / std::sqrt(static_cast<double>(x));
    return as_wrong_as(exact, exact * std::exp2(-22.9));
}

inline float sin_approx(float x) { return as_wrong_as(std::sin(static_cast<double>(x)), std::exp2(-20.5)); }
inline float cos_approx(float x) { return as_wrong_as(std::cos(static_cast<double>(x)), std::exp2(-20.5)); }

} // namespace tera::ptx
