// Normals of format 1 rounded to 16 bits, most of them by the hardware's approximate functions: the same bits as the exact formula's (distributions.cuh), or none.
//
// r and (c, s) are the exact formula's radius and direction, r̃ and (c̃, s̃) what comes of the approximations, w̃ = r̃² before its root. Because |c| ≤ 1,
//
//     |r̃·c̃ − r·c| ≤ |r̃ − r| + r̃·|c̃ − c| ≤ δ = L/√w̃ + (R + D)·r̃        with |r̃ − r| ≤ L/√w̃ + R·r̃ and |c̃ − c| ≤ D,
//
// and likewise for the sine. No rounding changes the order of two numbers. So where r̃·c̃ − δ and r̃·c̃ + δ become the same 16 bits, rounded to float32, multiplied by a
// scale and rounded again, rounded to 16 bits, the exact number between them does too. Where they do not (a block of four in 48 for bfloat16, in nine for
// float16), the exact formula has to be asked. What the checks themselves round is within this argument, what δ rounds (2⁻²² of it) within L, R and D.
//
// The bounds follow from those that PTX promises for every architecture, with ε = 2⁻²⁴ for one rounding to nearest:
//   lg2.approx     2⁻²² for arguments in (½, 2), elsewhere 2⁻²² of the result
//   rsqrt.approx   2⁻²²·⁹ of the result
//   sin.approx, cos.approx   2⁻²⁰·⁵ in [−2π, 2π]
// and from the exact formula's own distance to the functions it stands for, the largest for any word: 2⁻²³·²⁷ of the radius, 2⁻²³·⁴⁹⁹ of the direction.
//   L: the logarithm's 2⁻²² times 2·ln 2 in w̃, for u > ½; |√w̃ − √w| = |w̃ − w| / (√w̃ + √w) ≤ |w̃ − w| / √w̃. The true w is not negative, so w̃ is taken without its sign; it is
//      never zero, because no float32 times the constant is −2⁻⁶⁰. About u = 1 it is small, δ large, and every number in doubt.
//   R: 2⁻²²·⁹ of the reciprocal root and ε of its product; half of 2⁻²² (the logarithm for u ≤ ½), of ε (w̃'s rounding) and of 2⁻²⁸·⁴ (its constant's); 2⁻²³·²⁷: 4.37e-7.
//   D: 2⁻²⁰·⁵; of the angle, its conversion 64·2π/2³², its product 2⁻²³, its constant π·2⁻²⁵·¹; 2⁻²³·⁵⁰: 1.059e-6.
// normal_bounds.cu measures all three for every word.
#pragma once

#include "common/dtype.cuh"
#include "ptx/arithmetic.cuh"
#include "random/distributions.cuh"

namespace tera {

constexpr float kLogarithmError = 0x1.64p-22f;  // L, 3.316e-7
constexpr float kRadiusError = 0x1.d6p-22f;     // R, 4.377e-7
constexpr float kDirectionError = 0x1.1dp-20f;  // D, 1.0617e-6

/// normal_radius by approximate functions, and 1/√w̃.
__device__ __forceinline__ float approximate_radius(u32 x, float& reciprocal)
{
    const float u = fma_rn(to_float_rn(x), 0x1p-32f, 0x1p-33f);
    const float w = fabsf(fma_rn(ptx::lg2_approx(u), -0x1.62e43p0f, 0x1p-60f));  // −2·ln 2
    reciprocal = ptx::rsqrt_approx(w);
    return mul_rn(w, reciprocal);
}

/// normal_direction by approximate functions.
__device__ __forceinline__ void approximate_direction(u32 x, float& cosine, float& sine)
{
    const float angle = mul_rn(to_float_rn(static_cast<i32>(x)), 0x1.921fb6p-30f);  // 2π/2³²
    cosine = ptx::cos_approx(angle);
    sine = ptx::sin_approx(angle);
}

/// The two normals of a pair's words, times the scale where Scaled, as 16-bit numbers; false where their bits are in doubt.
template <int DType, bool Scaled>
__device__ __forceinline__ bool round_pair(u32 a, u32 b, float scale, u32& rounded)
{
    float reciprocal, cosine, sine;
    const float radius = approximate_radius(a, reciprocal);
    approximate_direction(b, cosine, sine);
    const float delta = fma_rn(reciprocal, kLogarithmError, mul_rn(radius, kRadiusError + kDirectionError));
    float ends[4] = {fma_rn(radius, cosine, -delta), fma_rn(radius, sine, -delta), fma_rn(radius, cosine, delta), fma_rn(radius, sine, delta)};
    if constexpr (Scaled) {
TERA_UNROLL
        for (float& end : ends) {
            end = mul_rn(end, scale);
        }
    }
    rounded = Element<DType>::encode2(ends[0], ends[1]);
    return rounded == Element<DType>::encode2(ends[2], ends[3]);
}

/// The same for the four normals of a block.
template <int DType, bool Scaled>
__device__ __forceinline__ bool round_normals(const Words& words, float scale, uint2& rounded)
{
    const bool first = round_pair<DType, Scaled>(words.x0, words.x1, scale, rounded.x);
    const bool second = round_pair<DType, Scaled>(words.x2, words.x3, scale, rounded.y);
    return first & second;
}

}  // namespace tera
