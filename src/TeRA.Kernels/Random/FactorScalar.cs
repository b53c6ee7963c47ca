namespace TeRA.Kernels;

/// <summary>From the generator's words to elements, written as the format's text says it, one element at a time.</summary>
internal static class FactorScalar
{
    /// <summary>float32(√3)·2⁻²³: times the odd integer 2·(x &gt;&gt; 9) + 1 − 2²³ it gives a uniform element, rounded once.</summary>
    public const float UniformUnit = 1.73205077648162841796875f / 8388608f;

    /// <summary>Elements of one block of four words.</summary>
    public static int ElementsPerBlock(DistributionKind kind) => kind switch
    {
        DistributionKind.Rademacher => 128,
        DistributionKind.Ternary => 8,
        _ => 4,
    };

    /// <summary>Elements from words; both start at the beginning of a block. Normal and Uniform may work in place.</summary>
    /// <param name="destination">Receives the elements.</param>
    /// <param name="words">At least as many words as they need; a normal needs both words of its pair.</param>
    /// <param name="distribution">Which elements.</param>
    public static void Fill(Span<float> destination, ReadOnlySpan<uint> words, Distribution distribution)
    {
        switch (distribution.Kind)
        {
            case DistributionKind.Normal:
                Normal(destination, words);
                break;
            case DistributionKind.Uniform:
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = Uniform(words[i]);
                }

                break;
            case DistributionKind.Rademacher:
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = ((words[i / 32] >> (i % 32)) & 1) == 1 ? 1f : -1f;
                }

                break;
            default:
                for (int i = 0; i < destination.Length; i++)
                {
                    uint draw = (words[i / 2] >> (i % 2 * 16)) & 0xFFFF;
                    destination[i] = Ternary(draw, distribution.TernaryThreshold, distribution.Magnitude);
                }

                break;
        }
    }

    private static void Normal(Span<float> destination, ReadOnlySpan<uint> words)
    {
        for (int i = 0; i < destination.Length; i += 2)
        {
            (float first, float second) = NormalFormula.Pair(words[i], words[i + 1]);
            destination[i] = first;
            if (i + 1 < destination.Length)
            {
                destination[i + 1] = second;
            }
        }
    }

    private static float Uniform(uint x) => ((int)((x >> 9) * 2) + 1 - 0x00800000) * UniformUnit;

    private static float Ternary(uint draw, uint threshold, float magnitude) =>
        draw < threshold ? magnitude : draw < 2 * threshold ? -magnitude : 0f;
}
