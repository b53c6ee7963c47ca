using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.RandomFactors;

/// <summary>Factors to the bit: the format's tables, every register width, every cut.</summary>
[TestFixture]
public sealed class RandomFactorTests
{
    private delegate void Filler(Span<float> destination, RandomSource source, uint stream, ulong firstIndex);

    [Test]
    public void The_formats_table_of_elements_holds()
    {
        FormatText.ElementRow[] rows = FormatText.Elements().ToArray();
        Assert.That(rows, Has.Length.GreaterThanOrEqualTo(80));
        foreach (FormatText.ElementRow row in rows)
        {
            float[] element = new float[1];
            RandomFactor.Fill(element, row.Source, row.Stream, row.Index);
            Assert.That(BitConverter.SingleToUInt32Bits(element[0]), Is.EqualTo(row.Bits), row.Line);
            Assert.That(row.Source.Distribution.TernaryThreshold, Is.EqualTo(row.Threshold), row.Line);
        }
    }

    [Test]
    public void The_formats_table_of_normal_pairs_holds_in_every_width()
    {
        FormatText.PairRow[] rows = FormatText.Pairs().ToArray();
        Assert.That(rows, Has.Length.GreaterThanOrEqualTo(20));
        foreach (FormatText.PairRow row in rows)
        {
            (float first, float second) = NormalFormula.Pair(row.First, row.Second);
            Assert.That((BitConverter.SingleToUInt32Bits(first), BitConverter.SingleToUInt32Bits(second)), Is.EqualTo((row.FirstBits, row.SecondBits)), row.Line);

            uint[] words = Enumerable.Repeat(new[] { row.First, row.Second }, 16).SelectMany(pair => pair).ToArray();
            uint[] expected = Enumerable.Repeat(new[] { row.FirstBits, row.SecondBits }, 16).SelectMany(pair => pair).ToArray();
            foreach (Func<float[], uint[], int> normal in NormalWidths())
            {
                float[] elements = new float[32];
                Assert.That(normal(elements, words), Is.EqualTo(32));
                Assert.That(Bits(elements), Is.EqualTo(expected), row.Line);
            }
        }
    }

    [Test]
    public void Every_register_width_gives_the_bits_of_the_scalar_code([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        RandomSource source = new(0xC0FFEE, distribution);
        (string Name, Filler Fill)[] widths = Widths().ToArray();
        if (widths.Length == 0)
        {
            Assert.Ignore("this processor has neither AVX2 nor AVX-512");
        }

        foreach ((string name, Filler fill) in widths)
        {
            float[] expected = new float[300_000];
            float[] found = new float[expected.Length];
            FactorFill.Scalar(expected, source, 3, 12345);
            fill(found, source, 3, 12345);
            Assert.That(Bits(found).SequenceEqual(Bits(expected)), Is.True, name);
        }
    }

    [Test]
    public void Any_part_equals_the_slice_of_the_whole([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        RandomSource source = new(7, distribution);
        float[] whole = new float[20_000];
        RandomFactor.Fill(whole, source, 1);
        int[] starts = [0, 1, 2, 3, 4, 5, 7, 8, 31, 32, 127, 128, 129, 1000, 8191, 8192, 8193];
        int[] lengths = [0, 1, 2, 3, 4, 5, 15, 16, 17, 33, 63, 127, 128, 129, 255, 257, 2048, 2049, 8193];
        foreach (int start in starts)
        {
            foreach (int length in lengths)
            {
                float[] part = new float[length + 2];
                part.AsSpan().Fill(float.NaN);
                RandomFactor.Fill(part.AsSpan(1, length), source, 1, start);
                Assert.That(Bits(part.AsSpan(1, length)).SequenceEqual(Bits(whole.AsSpan(start, length))), Is.True, $"start {start}, length {length}");
                Assert.That(float.IsNaN(part[0]) && float.IsNaN(part[^1]), Is.True, "wrote outside the span");
            }
        }
    }

    [Test]
    public void The_last_indices_of_all_are_reached([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        RandomSource source = new(ulong.MaxValue, distribution);
        float[] last = new float[200];
        RandomFactor.Fill(last, source, 9, long.MaxValue - 199);
        float[] one = new float[1];
        RandomFactor.Fill(one, source, 9, long.MaxValue);
        Assert.That(one[0], Is.EqualTo(last[199]));
    }

    [Test]
    public void Seed_stream_and_index_all_matter([ValueSource(typeof(FormatText), nameof(FormatText.DenseDistributions))] Distribution distribution)
    {
        float[][] factors =
        [
            Filled(0, 0, 0), Filled(1, 0, 0), Filled(1ul << 32, 0, 0), Filled(0, 1, 0), Filled(0, 1u << 31, 0), Filled(0, 0, 1024), Filled(0, 0, 1L << 40),
        ];
        for (int i = 0; i < factors.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double correlation = 0;
                for (int n = 0; n < 1024; n++)
                {
                    correlation += (double)factors[i][n] * factors[j][n];
                }

                // A sum of 1024 products with variance 1: standard deviation 32.
                Assert.That(Math.Abs(correlation), Is.LessThan(5 * 32), $"factors {i} and {j}");
            }
        }

        float[] Filled(ulong seed, uint stream, long first)
        {
            float[] values = new float[1024];
            RandomFactor.Fill(values, new RandomSource(seed, distribution), stream, first);
            return values;
        }
    }

    [Test]
    public void Doubles_are_the_floats_converted([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        float[] single = new float[3001];
        double[] wide = new double[3001];
        RandomFactor.Fill(single, new RandomSource(11, distribution), 2, 17);
        RandomFactor.Fill(wide, new RandomSource(11, distribution), 2, 17);
        Assert.That(wide, Is.EqualTo(single.Select(value => (double)value)));
    }

    [Test]
    public void A_fill_allocates_nothing([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        float[] values = new float[5000];
        RandomSource source = new(1, distribution);
        RandomFactor.Fill(values, source, 0, 3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        RandomFactor.Fill(values, source, 0, 5);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void A_negative_or_too_large_index_is_refused()
    {
        RandomSource source = new(1, Distribution.Normal);
        Assert.That(() => RandomFactor.Fill(new float[4], source, 0, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => RandomFactor.Fill(new float[4], source, 0, long.MaxValue - 2),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("9223372036854775804"));
        Assert.That(() => RandomFactor.Fill(new float[4], source, 0, long.MaxValue - 3), Throws.Nothing);
        Assert.That(() => RandomFactor.Fill(Span<float>.Empty, source, 0, long.MaxValue), Throws.Nothing);
    }

    [TestCase(0.0)]
    [TestCase(1.0 / 262144)]
    [TestCase(0.6)]
    [TestCase(-0.1)]
    [TestCase(double.NaN)]
    public void A_ternary_probability_out_of_range_is_refused(double probability) =>
        Assert.That(() => Distribution.Ternary(probability), Throws.InstanceOf<ArgumentOutOfRangeException>());

    private static IEnumerable<(string Name, Filler Fill)> Widths()
    {
        if (Simd256.IsSupported)
        {
            yield return ("256 bits", FactorFill.Vector<Simd256, Vector256<uint>>);
        }

        if (Simd512.IsSupported)
        {
            yield return ("512 bits", FactorFill.Vector<Simd512, Vector512<uint>>);
        }
    }

    private static IEnumerable<Func<float[], uint[], int>> NormalWidths()
    {
        if (Simd256.IsSupported)
        {
            yield return static (elements, words) => FactorElements.Normal<Simd256, Vector256<uint>>(elements, words);
        }

        if (Simd512.IsSupported)
        {
            yield return static (elements, words) => FactorElements.Normal<Simd512, Vector512<uint>>(elements, words);
        }
    }

    private static uint[] Bits(ReadOnlySpan<float> values) => MemoryMarshal.Cast<float, uint>(values).ToArray();
}
