// Random factors, format 1 (kernels/random/factor-format-1.md): element i of a factor is a pure function of (seed, stream, i).
// Plain C++, bit-identical to src/TeRA.Kernels/Random on every compiler: integer operations, exact conversions, and float
// multiplications, fused multiply-adds and square roots that are each rounded once.
//
// For kernels, in the order of preference (D is a compile-time Distribution, N a power of two, all indices 64-bit):
//   Factor<D>::consecutive<N>(source, first, out)   N elements from `first`, a multiple of N (4 and more cost no wasted work; Rademacher best
//                                                   with N = 128, Ternary with N >= 8)
//   FactorReader<D> reader(source); reader(index)   any index; costs a generator call only when the index leaves the current block
//   Factor<D>::element(source, index)               any index, one generator call
#pragma once

#include "random/philox.cuh"

namespace tera {

/// Numbers equal to the C# enum DistributionKind; a kernel's macro TERA_DISTRIBUTION has these values.
enum Distribution : int { kNormal = 0, kUniform = 1, kRademacher = 2, kTernary = 3 };

/// One factor: everything but the index. Same layout as the C# struct RandomSourceArguments; passed inside a kernel's argument struct.
struct RandomSource {
    u64 seed;
    u32 stream;
    u32 distribution;       // a Distribution
    u32 ternary_threshold;  // T of Ternary, otherwise 0
    float magnitude;        // c of Ternary, otherwise unused
};

static_assert(sizeof(RandomSource) == 24, "layout shared with C#");

/// The four words of block 2³²·high + low of the factor. Where high is the same for a whole loop, two of the rounds are half the work.
TERA_HOST_DEVICE Words random_block(const RandomSource& source, u32 low, u32 high)
{
    constexpr u32 kTag = 0x54655241u ^ 1u;  // "TeRA" xor the format number
    return philox4x32_10(Words{low, high, source.stream, kTag}, static_cast<u32>(source.seed), static_cast<u32>(source.seed >> 32));
}

/// The four words of a block of the factor.
TERA_HOST_DEVICE Words random_block(const RandomSource& source, u64 block)
{
    return random_block(source, static_cast<u32>(block), static_cast<u32>(block >> 32));
}

/// Word number i, 0 to 3, without indexing memory.
TERA_HOST_DEVICE u32 select_word(const Words& w, u32 i)
{
    const u32 low = (i & 1u) ? w.x1 : w.x0;
    const u32 high = (i & 1u) ? w.x3 : w.x2;
    return (i & 2u) ? high : low;
}

/// r = √(−2·ln u) of Box–Muller with u = (x + ½)·2⁻³² in (0, 1], to about one unit in the last place.
TERA_HOST_DEVICE float normal_radius(u32 x)
{
    const float u = fma_rn(to_float_rn(x), 0x1p-32f, 0x1p-33f);
    // u = m·2^e with m in [√½, √2); f = m − 1 is exact.
    const u32 shifted = float_bits(u) - 0x3F3504F3u;
    const float e = to_float_rn(static_cast<i32>(shifted) >> 23);
    const float f = add_rn(bits_float((shifted & 0x007FFFFFu) + 0x3F3504F3u), -1.0f);
    // −2·ln(1 + f) = −2f + f²·(1 + f·q(f))
    float q = 0x1.355facp-3f;
    q = fma_rn(q, f, -0x1.065834p-2f);
    q = fma_rn(q, f, 0x1.0ebef6p-2f);
    q = fma_rn(q, f, -0x1.22cbd8p-2f);
    q = fma_rn(q, f, 0x1.544bbap-2f);
    q = fma_rn(q, f, -0x1.999f02p-2f);
    q = fma_rn(q, f, 0x1.0002cap-1f);
    q = fma_rn(q, f, -0x1.55555ap-1f);
    q = fma_rn(q, f, 1.0f);
    const float w = fma_rn(mul_rn(f, f), q, mul_rn(f, -2.0f));
    return sqrt_rn_moderate(fma_rn(e, -0x1.62e43p0f, w));  // −2·ln 2
}

/// cos θ and sin θ of θ = 2π·x/2³², the quadrant taken off exactly.
TERA_HOST_DEVICE void normal_direction(u32 x, float& cosine, float& sine)
{
    const u32 turned = x + 0x20000000u, quadrant = turned & 0xC0000000u;  // in its upper two bits
    const float s = mul_rn(to_float_rn(static_cast<i32>(x - quadrant)), 0x1p-30f);
    const float t = mul_rn(s, s);
    float a = -0x1.2f5992p-8f;  // sin(π/2·s) / s
    a = fma_rn(a, t, 0x1.466b2p-4f);
    a = fma_rn(a, t, -0x1.4abbecp-1f);
    a = fma_rn(a, t, 0x1.921fb6p0f);
    a = mul_rn(a, s);
    float b = 0x1.d684aap-11f;  // cos(π/2·s)
    b = fma_rn(b, t, -0x1.55b7cep-6f);
    b = fma_rn(b, t, 0x1.03c1b8p-2f);
    b = fma_rn(b, t, -0x1.3bd3ccp0f);
    b = fma_rn(b, t, 1.0f);
    const bool odd = (turned & 0x40000000u) != 0;
    const u32 cosine_sign = (quadrant + 0x40000000u) & 0x80000000u;
    const u32 sine_sign = turned & 0x80000000u;
    cosine = bits_float(float_bits(odd ? a : b) ^ cosine_sign);
    sine = bits_float(float_bits(odd ? b : a) ^ sine_sign);
}

/// How a distribution turns a block's words into elements.
///   kElements                    elements of one block (E)
///   value(words, position)       the element at `position` in [0, E)
///   values<N>(words, position, out)   N consecutive ones from `position`, a multiple of N; N divides E
template <int D>
struct BlockElements;

template <>
struct BlockElements<kNormal> {
    static constexpr int kElements = 4;

    TERA_HOST_DEVICE static float value(const Words& w, u32 position, const RandomSource&)
    {
        const bool second = position & 2u;
        float cosine, sine;
        normal_direction(second ? w.x3 : w.x1, cosine, sine);
        return mul_rn(normal_radius(second ? w.x2 : w.x0), (position & 1u) ? sine : cosine);
    }

    template <int N>
    TERA_HOST_DEVICE static void values(const Words& w, u32 position, const RandomSource& source, float* out)
    {
        if constexpr (N == 1) {
            out[0] = value(w, position, source);
        } else if constexpr (N == 2) {
            pair((position & 2u) ? w.x2 : w.x0, (position & 2u) ? w.x3 : w.x1, out);
        } else {
            pair(w.x0, w.x1, out);
            pair(w.x2, w.x3, out + 2);
        }
    }

private:
    TERA_HOST_DEVICE static void pair(u32 a, u32 b, float* out)
    {
        const float radius = normal_radius(a);
        float cosine, sine;
        normal_direction(b, cosine, sine);
        out[0] = mul_rn(radius, cosine);
        out[1] = mul_rn(radius, sine);
    }
};

template <>
struct BlockElements<kUniform> {
    static constexpr int kElements = 4;

    TERA_HOST_DEVICE static float value(const Words& w, u32 position, const RandomSource&)
    {
        return of_word(select_word(w, position));
    }

    template <int N>
    TERA_HOST_DEVICE static void values(const Words& w, u32 position, const RandomSource& source, float* out)
    {
        if constexpr (N == 4) {
            out[0] = of_word(w.x0);
            out[1] = of_word(w.x1);
            out[2] = of_word(w.x2);
            out[3] = of_word(w.x3);
        } else {
TERA_UNROLL
            for (int i = 0; i < N; ++i) {
                out[i] = value(w, position + i, source);
            }
        }
    }

private:
    // u = ((x >> 9) + ½)·2⁻²² − 1 is the odd integer below, times 2⁻²³: both exact, so that only the product with √3 rounds.
    TERA_HOST_DEVICE static float of_word(u32 x)
    {
        const i32 odd = static_cast<i32>((x >> 8) | 1u) - 0x00800000;
        return mul_rn(to_float_rn(odd), 0x1.bb67aep0f * 0x1p-23f);
    }
};

template <>
struct BlockElements<kRademacher> {
    static constexpr int kElements = 128;

    TERA_HOST_DEVICE static float value(const Words& w, u32 position, const RandomSource&)
    {
        return of_bit(select_word(w, position >> 5) >> (position & 31u));
    }

    template <int N>
    TERA_HOST_DEVICE static void values(const Words& w, u32 position, const RandomSource&, float* out)
    {
        if constexpr (N <= 32) {
            const u32 bits = select_word(w, position >> 5) >> (position & 31u);
TERA_UNROLL
            for (int i = 0; i < N; ++i) {
                out[i] = of_bit(bits >> i);
            }
        } else {
TERA_UNROLL
            for (int i = 0; i < N; ++i) {
                out[i] = of_bit(select_word(w, (position >> 5) + (i >> 5)) >> (i & 31));
            }
        }
    }

private:
    TERA_HOST_DEVICE static float of_bit(u32 bit) { return bits_float(0x3F800000u | (~bit << 31)); }
};

template <>
struct BlockElements<kTernary> {
    static constexpr int kElements = 8;

    TERA_HOST_DEVICE static float value(const Words& w, u32 position, const RandomSource& source)
    {
        return of_half((select_word(w, position >> 1) >> ((position & 1u) << 4)) & 0xFFFFu, source);
    }

    template <int N>
    TERA_HOST_DEVICE static void values(const Words& w, u32 position, const RandomSource& source, float* out)
    {
        if constexpr (N == 8) {
            const u32 words[4] = {w.x0, w.x1, w.x2, w.x3};
TERA_UNROLL
            for (int i = 0; i < 8; ++i) {
                out[i] = of_half((words[i >> 1] >> ((i & 1) << 4)) & 0xFFFFu, source);
            }
        } else {
TERA_UNROLL
            for (int i = 0; i < N; ++i) {
                out[i] = value(w, position + i, source);
            }
        }
    }

private:
    TERA_HOST_DEVICE static float of_half(u32 t, const RandomSource& source)
    {
        const float signed_magnitude = t < source.ternary_threshold ? source.magnitude : -source.magnitude;
        return t < 2u * source.ternary_threshold ? signed_magnitude : 0.0f;
    }
};

/// Elements of a factor of distribution D.
template <int D>
struct Factor {
    static constexpr int kElements = BlockElements<D>::kElements;

    /// Element `index`.
    TERA_HOST_DEVICE static float element(const RandomSource& source, u64 index)
    {
        return BlockElements<D>::value(random_block(source, index / kElements), static_cast<u32>(index % kElements), source);
    }

    /// All elements of a block: kElements·block and those after it.
    TERA_HOST_DEVICE static void block(const RandomSource& source, u64 block, float (&out)[kElements])
    {
        BlockElements<D>::template values<kElements>(random_block(source, block), 0u, source, out);
    }

    /// The same from number N·index of the factor's first 2³²: its blocks need 32 bits.
    template <int N>
    TERA_HOST_DEVICE static void consecutive(const RandomSource& source, u32 index, float (&out)[N])
    {
        if constexpr (N < kElements) {
            consecutive(source, static_cast<u64>(index) * N, out);
        } else {
TERA_UNROLL
            for (int i = 0; i < N / kElements; ++i) {
                BlockElements<D>::template values<kElements>(random_block(source, index * (N / kElements) + i, 0u), 0u, source, out + i * kElements);
            }
        }
    }

    /// N elements from `first`, a multiple of N; N is a power of two.
    template <int N>
    TERA_HOST_DEVICE static void consecutive(const RandomSource& source, u64 first, float (&out)[N])
    {
        static_assert(N > 0 && (N & (N - 1)) == 0, "N is a power of two");
        if constexpr (N <= kElements) {
            BlockElements<D>::template values<N>(
                random_block(source, first / kElements), static_cast<u32>(first % kElements), source, out);
        } else {
TERA_UNROLL
            for (int i = 0; i < N; i += kElements) {
                BlockElements<D>::template values<kElements>(random_block(source, first / kElements + i / kElements), 0u, source, out + i);
            }
        }
    }
};

/// Reads single elements and keeps the words of the last block: cheap where neighbours follow each other at any alignment.
template <int D>
struct FactorReader {
    TERA_HOST_DEVICE explicit FactorReader(const RandomSource& from) : source(from), words{}, current(~0ull) {}

    TERA_HOST_DEVICE float operator()(u64 index)
    {
        const u64 block = index / Factor<D>::kElements;
        if (block != current) {
            current = block;
            words = random_block(source, block);
        }
        return BlockElements<D>::value(words, static_cast<u32>(index % Factor<D>::kElements), source);
    }

private:
    const RandomSource& source;
    Words words;
    u64 current;  // no index lies in block 2⁶⁴ − 1
};

/// Factor<D>::consecutive with the distribution known only at run time: for kernels where that branch does not matter.
template <int N>
TERA_HOST_DEVICE void consecutive_elements(const RandomSource& source, u64 first, float (&out)[N])
{
    switch (source.distribution) {
        case kUniform: Factor<kUniform>::consecutive(source, first, out); break;
        case kRademacher: Factor<kRademacher>::consecutive(source, first, out); break;
        case kTernary: Factor<kTernary>::consecutive(source, first, out); break;
        default: Factor<kNormal>::consecutive(source, first, out); break;
    }
}

/// Factor<D>::element with the distribution known only at run time.
TERA_HOST_DEVICE float random_element(const RandomSource& source, u64 index)
{
    switch (source.distribution) {
        case kUniform: return Factor<kUniform>::element(source, index);
        case kRademacher: return Factor<kRademacher>::element(source, index);
        case kTernary: return Factor<kTernary>::element(source, index);
        default: return Factor<kNormal>::element(source, index);
    }
}

}  // namespace tera
