using NUnit.Framework;

namespace TeRA.Kernels.Tests.RandomFactors;

/// <summary>That the elements have the distributions they are named after. Seeds are fixed: a test passes or fails for good.</summary>
[TestFixture]
public sealed class DistributionTests
{
    private const int Count = 8_000_000;

    [Test]
    public void The_first_four_moments_are_right([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        double[] moments = new double[9];
        ForEach(distribution, value =>
        {
            double power = 1;
            for (int order = 1; order <= 8; order++)
            {
                power *= value;
                moments[order] += power / Count;
            }
        });

        for (int order = 1; order <= 4; order++)
        {
            // The sample moment's standard deviation, from the distribution's own moment of twice the order.
            double expected = Moment(distribution, order);
            double deviation = Math.Sqrt((Moment(distribution, 2 * order) - (expected * expected)) / Count);
            Assert.That(moments[order], Is.EqualTo(expected).Within((5 * deviation) + 1e-6), $"moment {order}");
        }
    }

    [Test]
    public void Neighbours_are_uncorrelated([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        float[] values = new float[1_000_000];
        RandomFactor.Fill(values, new RandomSource(99, distribution), 4);
        foreach (int lag in new[] { 1, 2, 3, 4, 8, 16, 32, 64, 128 })
        {
            double sum = 0;
            double squares = 0;
            for (int i = lag; i < values.Length; i++)
            {
                sum += (double)values[i] * values[i - lag];
                squares += (double)values[i] * values[i] * values[i - lag] * values[i - lag];
            }

            // Normals of one pair share a radius, but not a sign; the squares stand in the deviation, and 6 covers sums of few terms.
            Assert.That(Math.Abs(sum), Is.LessThan(5 * Math.Max(Math.Sqrt(values.Length), Math.Sqrt(squares))), $"lag {lag}");
        }
    }

    [Test]
    public void Normals_pass_a_Kolmogorov_Smirnov_test() =>
        Assert.That(KolmogorovSmirnov(Distribution.Normal, NormalCumulative), Is.LessThan(1.63), "1 % level of √n·D");

    [Test]
    public void Uniforms_pass_a_Kolmogorov_Smirnov_test() =>
        Assert.That(KolmogorovSmirnov(Distribution.Uniform, value => (value / Math.Sqrt(3) / 2) + 0.5), Is.LessThan(1.63), "1 % level of √n·D");

    [Test]
    public void The_Kolmogorov_Smirnov_test_sees_a_wrong_distribution() =>
        Assert.That(KolmogorovSmirnov(Distribution.Normal, value => NormalCumulative(value * 1.01)), Is.GreaterThan(1.63));

    [Test]
    public void The_tails_of_the_normal_have_their_share_past_five_deviations()
    {
        const int count = 100_000_000;
        double[] edges = [3, 4, 4.5, 5, 5.5];
        long[] above = new long[edges.Length];
        long[] below = new long[edges.Length];
        float[] values = new float[1 << 16];
        for (long first = 0; first < count; first += values.Length)
        {
            RandomFactor.Fill(values, new RandomSource(2026, Distribution.Normal), 0, first);
            foreach (float value in values)
            {
                if (value is > 3 or < -3)
                {
                    for (int edge = 0; edge < edges.Length; edge++)
                    {
                        above[edge] += value > edges[edge] ? 1 : 0;
                        below[edge] += value < -edges[edge] ? 1 : 0;
                    }
                }
            }
        }

        long drawn = (count + values.Length - 1) / values.Length * (long)values.Length;
        for (int edge = 0; edge < edges.Length; edge++)
        {
            double expected = drawn * NormalCumulative(-edges[edge]);
            double margin = (5 * Math.Sqrt(expected)) + 1;
            Assert.That((double)above[edge], Is.EqualTo(expected).Within(margin), $"above {edges[edge]}");
            Assert.That((double)below[edge], Is.EqualTo(expected).Within(margin), $"below −{edges[edge]}");
        }

        Assert.That(above[3] + below[3], Is.GreaterThan(30), "there are values past 5σ");
    }

    [Test]
    public void The_normals_parts_are_accurate_everywhere()
    {
        double worstRadius = 0;
        double worstDirection = 0;
        for (ulong step = 0; step < 1ul << 32; step += 1021)
        {
            // Small x (deep tail), x near 2³² (u near 1) and all between.
            foreach (uint x in new[] { (uint)step, (uint)(step >> 16), ~(uint)(step >> 12) })
            {
                float u = MathF.FusedMultiplyAdd((float)x, NormalFormula.UScale, NormalFormula.UOffset);
                double radius = Math.Sqrt(-2 * Math.Log(u));
                float found = NormalFormula.Radius(x);
                worstRadius = Math.Max(worstRadius, radius == 0 ? Math.Abs(found) : Math.Abs(found - radius) / Ulp(radius));
                (float cosine, float sine) = NormalFormula.Direction(x);
                double angle = Math.PI * 2 * (x / 4294967296.0);
                worstDirection = Math.Max(worstDirection, Math.Abs(cosine - Math.Cos(angle)));
                worstDirection = Math.Max(worstDirection, Math.Abs(sine - Math.Sin(angle)));
            }
        }

        TestContext.Out.WriteLine($"radius: {worstRadius:f3} ulp; cosine and sine: {worstDirection / Math.Pow(2, -24):f3}·2⁻²⁴");
        Assert.That(worstRadius, Is.LessThan(1.5), "units in the last place");
        Assert.That(worstDirection, Is.LessThan(2 * Math.Pow(2, -24)));
    }

    private static double Ulp(double value) => Math.Pow(2, Math.Floor(Math.Log2(value)) - 23);

    private static void ForEach(Distribution distribution, Action<double> action)
    {
        float[] values = new float[1 << 15];
        for (long first = 0; first < Count; first += values.Length)
        {
            Span<float> part = values.AsSpan(0, (int)Math.Min(values.Length, Count - first));
            RandomFactor.Fill(part, new RandomSource(20260729, distribution), 1, first);
            foreach (float value in part)
            {
                action(value);
            }
        }
    }

    // E[xᵏ]: odd ones vanish by symmetry.
    private static double Moment(Distribution distribution, int order)
    {
        if (order % 2 == 1)
        {
            return 0;
        }

        return distribution.Kind switch
        {
            DistributionKind.Normal => Enumerable.Range(0, order / 2).Aggregate(1.0, (product, i) => product * ((2 * i) + 1)),
            DistributionKind.Uniform => Math.Pow(3, order / 2.0) / (order + 1),
            DistributionKind.Rademacher => 1,
            _ => Math.Pow(2 * distribution.TernaryThreshold / 65536.0, 1 - (order / 2.0)),
        };
    }

    // √n times the largest distance between the sample's distribution function and the given one.
    private static double KolmogorovSmirnov(Distribution distribution, Func<double, double> cumulative)
    {
        float[] values = new float[1_000_000];
        RandomFactor.Fill(values, new RandomSource(31337, distribution), 0);
        Array.Sort(values);
        double largest = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double probability = cumulative(values[i]);
            largest = Math.Max(largest, Math.Max(((i + 1.0) / values.Length) - probability, probability - ((double)i / values.Length)));
        }

        return largest * Math.Sqrt(values.Length);
    }

    // Φ: the series about 0 within 3, the continued fraction of the tail beyond; both to about 10⁻¹⁴ of the smaller side.
    private static double NormalCumulative(double x)
    {
        double density = Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
        if (Math.Abs(x) > 3)
        {
            double fraction = 0;
            for (int k = 200; k >= 1; k--)
            {
                fraction = k / (Math.Abs(x) + fraction);
            }

            double tail = density / (Math.Abs(x) + fraction);
            return x < 0 ? tail : 1 - tail;
        }

        double sum = x;
        double term = x;
        for (int k = 1; Math.Abs(term) > 1e-17; k++)
        {
            term *= x * x / ((2 * k) + 1);
            sum += term;
        }

        return 0.5 + (sum * density);
    }
}
