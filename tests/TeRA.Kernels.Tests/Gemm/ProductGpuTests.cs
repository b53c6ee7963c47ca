using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>The portable matrix product on the GPU, around its own edges: tiles, stages, parts, alignments, accuracy.</summary>
[Category("Gpu")]
internal sealed class ProductGpuTests
{
    private static readonly long[] OddLengths = [1, 2, 3, 5, 7, 31, 33, 63, 65, 127, 129, 257];
    private static readonly Layout[] Layouts = [Layout.Normal, Layout.Transposed];
    private static readonly DType[] DTypes = [DType.Float32, DType.BFloat16, DType.Float16];

    [Test]
    public void Integers_are_exact_around_every_tile_edge(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b)
    {
        for (int i = 0; i < OddLengths.Length; i++)
        {
            for (int j = 0; j < OddLengths.Length; j++)
            {
                long k = OddLengths[(i + (5 * j)) % OddLengths.Length];
                Exact(dtype, (OddLengths[i], OddLengths[j], k), a, b, misalignment: 0, resultIsSingle: (i + j) % 2 == 0);
            }
        }
    }

    [Test]
    public void Integers_are_exact_with_large_tiles_and_a_ragged_edge(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b) =>
        Assert.That(Exact(dtype, (1283, 1289, 149), a, b), Does.Contain("128×128"));

    [Test]
    public void Any_address_of_whole_elements_works(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b)
    {
        foreach (int elements in new[] { 1, 2, 3, 4, 8 })
        {
            Exact(dtype, (72, 80, 96), a, b, elements * dtype.Size());
            Exact(dtype, (74, 82, 98), a, b, elements * dtype.Size());
        }
    }

    [Test]
    public void A_sum_in_parts_is_exact_and_says_so([ValueSource(nameof(DTypes))] DType dtype)
    {
        Assert.That(Exact(dtype, (17, 65, 2049), Layout.Transposed, Layout.Normal), Does.Contain("parts").And.Contain("split_sum"));
        Assert.That(Exact(dtype, (17, 65, 4000), Layout.Normal, Layout.Transposed, resultIsSingle: true, accumulate: true), Does.Contain("parts"));
    }

    [TestCase(DType.Float32)]
    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    public void An_empty_sum_leaves_bias_and_what_C_held(DType dtype)
    {
        foreach (bool accumulate in new[] { false, true })
        {
            Exact(dtype, (5, 9, 0), Layout.Normal, Layout.Transposed, accumulate: accumulate);
        }
    }

    [Test]
    public void Float32_keeps_full_accuracy([Values(1, 2, 7, 16, 33, 100, 1000, 5000)] int k, [ValueSource(nameof(Layouts))] Layout layout)
    {
        Comparison comparison = Ratio(DType.Float32, (129, 65, k), layout, largestRatio: 4);
        TestContext.Out.WriteLine($"K = {k}: largest |error| / (2⁻²⁴·Σ|a||b|) = {4 * comparison.Ratio:F2}");
        Check.That(comparison);
    }

    [Test]
    public void Half_operands_accumulate_in_float32(
        [Values(1, 16, 100, 5000)] int k, [Values(DType.BFloat16, DType.Float16)] DType dtype)
    {
        Comparison comparison = Ratio(dtype, (129, 65, k), Layout.Transposed, largestRatio: 16);
        TestContext.Out.WriteLine($"K = {k}: largest |error| / (2⁻²⁴·Σ|a||b|) = {16 * comparison.Ratio:F2}");
        Check.That(comparison);
    }

    [Test]
    public void Large_and_small_float32_magnitudes_keep_their_digits([Values(1e-12, 1e-5, 1e5, 1e12)] double scale) =>
        Check.That(Ratio(DType.Float32, (65, 33, 100), Layout.Normal, largestRatio: 4, scale));

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits([ValueSource(nameof(DTypes))] DType dtype)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        const int m = 33, n = 129, k = 3000;
        Operand a = run.Input("A", dtype, SeededValues.Normal(m * k, 1, dtype)), b = run.Input("B", dtype, SeededValues.Normal(n * k, 2, dtype));
        Operand c = run.Output("C", dtype, m * n);
        var step = new MatrixProductStep(a, b, c, m, n, k) { Label = "repeat", LayoutB = Layout.Transposed };
        Repeats.Assert(DeviceUnderTest.Cuda, run, step, c);
    }

    // C = −A·B/2 + bias (+ C): every number in it is exact in every dtype.
    private static string Exact(
        DType dtype, (long M, long N, long K) size, Layout layoutA, Layout layoutB, int misalignment = 0, bool resultIsSingle = false, bool accumulate = false)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda) { Misalignment = misalignment };
        (long m, long n, long k) = size;
        DType result = resultIsSingle ? DType.Float32 : dtype;
        Operand a = run.Input("A", dtype, Sparse(m * k, 1)), b = run.Input("B", dtype, Sparse(k * n, 2));
        Operand c = accumulate ? run.InOut("C", result, SeededValues.NonZeroIntegers(m * n, 3, 4)) : run.Output("C", result, m * n);
        run.Run(new MatrixProductStep(a, b, c, m, n, k)
        {
            Label = "exact",
            LayoutA = layoutA,
            LayoutB = layoutB,
            Alpha = -0.5,
            AddTo = accumulate ? c : null,
            Bias = run.Input("bias", dtype, SeededValues.NonZeroIntegers(n, 4, 4)),
        });
        Check.That(
            Comparer.Exact("C", run.Read(c), Elements.Round(run.Expected(c), result), zerosAreRight: true),
            $"{run.Description}, {size}, {layoutA}-{layoutB}, addresses off by {misalignment}");
        return run.Description;
    }

    // Small integers, half of them zero: sums over some thousands stay far below 2²⁴, and mostly below what bfloat16 holds.
    private static double[] Sparse(long count, ulong seed) =>
        [.. SeededValues.Integers(count, seed, 2).Zip(SeededValues.Integers(count, seed + 100, 1), (value, keep) => value * keep)];

    private static Comparison Ratio(DType dtype, (long M, long N, long K) size, Layout layout, double largestRatio, double scale = 1)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        (long m, long n, long k) = size;
        Operand a = run.Input("A", dtype, SeededValues.Normal(m * k, 1, dtype, scale)), b = run.Input("B", dtype, SeededValues.Normal(k * n, 2, dtype));
        Operand c = run.Output("C", DType.Float32, m * n);
        run.Run(new MatrixProductStep(a, b, c, m, n, k) { Label = "ratio", LayoutA = layout, LayoutB = layout });
        double unit = largestRatio * DType.Float32.UnitRoundoff();
        return Comparer.Within("C", run.Read(c), run.Expected(c), Array.ConvertAll(run.Expected(c, Magnitude.Absolute), sum => unit * sum));
    }
}
