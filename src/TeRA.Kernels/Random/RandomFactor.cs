namespace TeRA.Kernels;

/// <summary>Random factors, format 1, on the CPU: the oracle of <c>kernels/random</c>.</summary>
public static class RandomFactor
{
    /// <summary>Writes elements <paramref name="firstIndex"/>, <paramref name="firstIndex"/> + 1, … of a factor.</summary>
    /// <param name="destination">Receives float32 values with mean 0 and variance 1.</param>
    /// <param name="source">Seed and distribution.</param>
    /// <param name="stream">The factor's stream.</param>
    /// <param name="firstIndex">Row-major index of the first element, at least 0.</param>
    public static void Fill(Span<float> destination, RandomSource source, uint stream, long firstIndex = 0) =>
        throw new NotImplementedException();
}
