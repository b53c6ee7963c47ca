namespace TeRA.Kernels.Verification;

/// <summary>
/// Reproducible test data: SplitMix64 by index, so that it depends on seed and index alone and shares nothing with the random
/// factors under test.
/// </summary>
internal static class SeededValues
{
    /// <summary>Standard normal numbers times <paramref name="scale"/>, representable in <paramref name="dtype"/>.</summary>
    public static double[] Normal(long count, ulong seed, DType dtype, double scale = 1)
    {
        var values = new double[count];
        for (long i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(Unit(seed, (2 * i) + 1)));
            values[i] = Elements.Round(scale * radius * Math.Cos(2 * Math.PI * Unit(seed, 2 * i)), dtype);
        }

        return values;
    }

    /// <summary>Integers of −<paramref name="limit"/>…<paramref name="limit"/>, evenly.</summary>
    public static double[] Integers(long count, ulong seed, int limit)
    {
        var values = new double[count];
        for (long i = 0; i < count; i++)
        {
            values[i] = Math.Floor(Unit(seed, i) * ((2 * limit) + 1)) - limit;
        }

        return values;
    }

    /// <summary>Integers of ±1…±<paramref name="limit"/>, never zero: trained vectors whose every element must count.</summary>
    public static double[] NonZeroIntegers(long count, ulong seed, int limit)
    {
        var values = new double[count];
        for (long i = 0; i < count; i++)
        {
            double draw = Math.Floor(Unit(seed, i) * 2 * limit);
            values[i] = draw < limit ? draw - limit : draw - limit + 1;
        }

        return values;
    }

    /// <summary>±(0.5…1.5), never near zero, representable in <paramref name="dtype"/>: trained vectors for the rounding tests.</summary>
    public static double[] AwayFromZero(long count, ulong seed, DType dtype)
    {
        var values = new double[count];
        for (long i = 0; i < count; i++)
        {
            double draw = Unit(seed, i);
            values[i] = Elements.Round(draw < 0.5 ? (2 * draw) - 1.5 : (2 * draw) - 0.5, dtype);
        }

        return values;
    }

    private static double Unit(ulong seed, long index)
    {
        ulong z = (seed * 0xD1342543DE82EF95UL) + ((ulong)index + 1) * 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        z ^= z >> 31;
        return ((z >> 11) + 0.5) / (1UL << 53);
    }
}
