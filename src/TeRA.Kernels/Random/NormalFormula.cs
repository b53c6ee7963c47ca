using System.Runtime.CompilerServices;

namespace TeRA.Kernels;

/// <summary>
/// Box–Muller as factor format 1 fixes it: the operations below, in this order, each rounded once, and the coefficients to the bit.
/// The vector code of <see cref="FactorElements"/> and kernels/random/distributions.cuh do the same.
/// </summary>
internal static class NormalFormula
{
    /// <summary>2⁻³² and 2⁻³³: u = (x + ½)·2⁻³².</summary>
    public const float UScale = 1f / 4294967296f, UOffset = 1f / 8589934592f;

    /// <summary>The bits of √½, where the mantissa is split.</summary>
    public const uint SqrtHalfBits = 0x3F3504F3;

    /// <summary>−2·ln 2.</summary>
    public const float MinusTwoLn2 = -1.38629436492919921875f;

    // −2·ln(1 + f) = −2f + f²·(1 + f·(L0 + L1·f + … + L7·f⁷)).
    /// <summary>Bits of the logarithm's coefficients.</summary>
    public const uint L0 = 0xBF2AAAAD, L1 = 0x3F000165, L2 = 0xBECCCF81, L3 = 0x3EAA25DD,
        L4 = 0xBE9165EC, L5 = 0x3E875F7B, L6 = 0xBE832C1A, L7 = 0x3E1AAFD6;

    // sin(π/2·s) = s·(S0 + S1·s² + S2·s⁴ + S3·s⁶).
    /// <summary>Bits of the sine's coefficients.</summary>
    public const uint S0 = 0x3FC90FDB, S1 = 0xBF255DF6, S2 = 0x3DA33590, S3 = 0xBB97ACC9;

    // cos(π/2·s) = 1 + C1·s² + C2·s⁴ + C3·s⁶ + C4·s⁸.
    /// <summary>Bits of the cosine's coefficients.</summary>
    public const uint C1 = 0xBF9DE9E6, C2 = 0x3E81E0DC, C3 = 0xBCAADBE7, C4 = 0x3A6B4255;

    /// <summary>2⁻³⁰: a quadrant's angle to s in [−½, ½].</summary>
    public const float QuarterTurn = 1f / 1073741824f;

    /// <summary>Two elements from two words.</summary>
    public static (float First, float Second) Pair(uint x0, uint x1)
    {
        float radius = Radius(x0);
        (float cosine, float sine) = Direction(x1);
        return (radius * cosine, radius * sine);
    }

    /// <summary>√(−2·ln u) with u = (x + ½)·2⁻³² rounded, in (0, 1].</summary>
    internal static float Radius(uint x)
    {
        float u = MathF.FusedMultiplyAdd((float)x, UScale, UOffset);
        uint shifted = unchecked(BitConverter.SingleToUInt32Bits(u) - SqrtHalfBits);
        float e = (int)shifted >> 23;
        float f = BitConverter.UInt32BitsToSingle((shifted & 0x007FFFFF) + SqrtHalfBits) - 1f;
        float q = Bits(L7);
        q = MathF.FusedMultiplyAdd(q, f, Bits(L6));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L5));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L4));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L3));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L2));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L1));
        q = MathF.FusedMultiplyAdd(q, f, Bits(L0));
        q = MathF.FusedMultiplyAdd(q, f, 1f);
        float w = MathF.FusedMultiplyAdd(f * f, q, f * -2f);
        return MathF.Sqrt(MathF.FusedMultiplyAdd(e, MinusTwoLn2, w));
    }

    /// <summary>Cosine and sine of 2π·x/2³².</summary>
    internal static (float Cosine, float Sine) Direction(uint x)
    {
        uint quadrant = unchecked(x + 0x20000000) >> 30;
        float s = (float)(int)unchecked(x - (quadrant << 30)) * QuarterTurn;
        float t = s * s;
        float a = Bits(S3);
        a = MathF.FusedMultiplyAdd(a, t, Bits(S2));
        a = MathF.FusedMultiplyAdd(a, t, Bits(S1));
        a = MathF.FusedMultiplyAdd(a, t, Bits(S0));
        a *= s;
        float b = Bits(C4);
        b = MathF.FusedMultiplyAdd(b, t, Bits(C3));
        b = MathF.FusedMultiplyAdd(b, t, Bits(C2));
        b = MathF.FusedMultiplyAdd(b, t, Bits(C1));
        b = MathF.FusedMultiplyAdd(b, t, 1f);
        return quadrant switch
        {
            0 => (b, a),
            1 => (-a, b),
            2 => (-b, -a),
            _ => (a, -b),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Bits(uint bits) => BitConverter.UInt32BitsToSingle(bits);
}
