namespace TeRA.Kernels.Tests.Support;

/// <summary>The standard normal distribution to float64 accuracy, for the reference GELU.</summary>
internal static class NormalDistribution
{
    /// <summary>φ(x).</summary>
    public static double Density(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);

    /// <summary>Φ(x): the series ½ + φ(x)·(x + x³/3 + x⁵/15 + …) near 0, a continued fraction in the tails.</summary>
    public static double Cumulative(double x)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        double size = Math.Abs(x);
        if (size < 4)
        {
            double term = x, sum = x;
            for (int n = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); n += 2)
            {
                term *= x * x / n;
                sum += term;
            }

            return 0.5 + (Density(x) * sum);
        }

        double fraction = size;
        for (int n = 200; n >= 1; n--)
        {
            fraction = size + (n / fraction);
        }

        double tail = double.IsInfinity(size) ? 0 : Density(size) / fraction;
        return x < 0 ? tail : 1 - tail;
    }
}
