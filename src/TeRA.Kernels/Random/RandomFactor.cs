namespace TeRA.Kernels;

/// <summary>Random factors, format 1, on the CPU: the oracle of <c>kernels/random</c>.</summary>
/// <remarks>
/// Element i is a pure function of (seed, distribution, stream, i): the same bits on every processor and GPU, at every register width, whatever
/// part of the factor a call asks for. The format's text is kernels/random/factor-format-1.md.
/// </remarks>
public static class RandomFactor
{
    /// <summary>Writes elements <paramref name="firstIndex"/>, <paramref name="firstIndex"/> + 1, … of a factor.</summary>
    /// <param name="destination">Receives float32 values with mean 0 and variance 1.</param>
    /// <param name="source">Seed and distribution.</param>
    /// <param name="stream">The factor's stream.</param>
    /// <param name="firstIndex">Row-major index of the first element, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative, or the last element's index exceeds 2⁶³ − 1.</exception>
    public static void Fill(Span<float> destination, RandomSource source, uint stream, long firstIndex = 0)
    {
        ValidateRange(firstIndex, destination.Length);
        FactorFill.Widest(destination, source, stream, (ulong)firstIndex);
    }

    /// <summary>As the other overload, converted to float64 exactly.</summary>
    /// <param name="destination">Receives the float32 values.</param>
    /// <param name="source">Seed and distribution.</param>
    /// <param name="stream">The factor's stream.</param>
    /// <param name="firstIndex">Row-major index of the first element, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative, or the last element's index exceeds 2⁶³ − 1.</exception>
    public static void Fill(Span<double> destination, RandomSource source, uint stream, long firstIndex = 0)
    {
        ValidateRange(firstIndex, destination.Length);
        Span<float> piece = stackalloc float[1024];
        for (int start = 0; start < destination.Length; start += piece.Length)
        {
            Span<float> part = piece[..Math.Min(piece.Length, destination.Length - start)];
            FactorFill.Widest(part, source, stream, (ulong)firstIndex + (uint)start);
            for (int i = 0; i < part.Length; i++)
            {
                destination[start + i] = part[i];
            }
        }
    }

    private static void ValidateRange(long firstIndex, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstIndex);
        if (count > 0 && firstIndex > long.MaxValue - (count - 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(firstIndex), firstIndex, $"{count} elements from here would pass index 2⁶³ − 1; the largest first index for them is {long.MaxValue - (count - 1)}.");
        }
    }
}
