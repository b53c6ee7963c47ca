using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Matrix products by wgmma: exact on integers in every layout, ragged at every edge, within the bounds of the step tests, and repeatable.</summary>
internal sealed class WgmmaProductGpuTests : HopperFixture
{
    private static readonly DType[] DTypes = [DType.BFloat16, DType.Float16];
    private static readonly Layout[] Layouts = [Layout.Normal, Layout.Transposed];

    // Multiples of eight around the edges of 128×256×64 tiles, and enough tiles for the kernel to be chosen.
    private static readonly (long M, long N, long K)[] Sizes = [(1024, 1536, 64), (1032, 1544, 72), (904, 1800, 136)];

    [Test]
    public void Integers_are_exact(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b)
    {
        foreach ((long, long, long) size in Sizes)
        {
            Assert.That(Exact(dtype, size, a, b), Does.StartWith("wgmma_product"));
        }
    }

    [Test]
    public void A_float32_result_is_exact_and_can_be_added_to([ValueSource(nameof(DTypes))] DType dtype, [Values] bool accumulate) =>
        Assert.That(Exact(dtype, (1032, 1541, 72), Layout.Normal, Layout.Transposed, DType.Float32, accumulate), Does.StartWith("wgmma_product"));

    [Test]
    public void An_odd_number_of_rows_needs_no_padding([ValueSource(nameof(DTypes))] DType dtype) =>
        Assert.That(Exact(dtype, (1027, 1544, 72), Layout.Normal, Layout.Transposed), Does.StartWith("wgmma_product"));

    [Test]
    public void Addresses_that_miss_16_bytes_are_served_too([Values(2, 4, 8)] int misalignment) =>
        Exact(DType.BFloat16, (1032, 1544, 72), Layout.Normal, Layout.Transposed, misalignment: misalignment);

    [Test]
    public void Bias_is_optional() => Exact(DType.BFloat16, (1032, 1544, 72), Layout.Normal, Layout.Normal, bias: false);

    [Test]
    public void Normal_numbers_are_within_the_bounds([ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout b)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, dtype, b);
        run.Run(bound.Step);
        Assert.That(run.Description, Does.StartWith("wgmma_product"));
        Check.That(StepBounds.Compare(run, bound, c, dtype), run.Description);
    }

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits()
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, DType.BFloat16, Layout.Transposed);
        AssertRepeats(run, bound.Step, c);
    }

    private static (BoundStep Bound, Operand C) Normal(StepRunner run, DType dtype, Layout b)
    {
        const long m = 904, n = 1800, k = 136;
        Operand left = run.Input("A", dtype, SeededValues.Normal(m * k, 1, dtype)), right = run.Input("B", dtype, SeededValues.Normal(k * n, 2, dtype));
        Operand c = run.Output("C", dtype, m * n);
        var step = new MatrixProductStep(left, right, c, m, n, k) { Label = "normal", LayoutB = b, Alpha = 0.3f };
        return (new BoundStep(step, [c], StepAccuracy.Sum), c);
    }

    private string Exact(
        DType dtype, (long M, long N, long K) size, Layout layoutA, Layout layoutB, DType? output = null, bool accumulate = false, int misalignment = 0, bool bias = true)
    {
        using StepRunner run = new(Gpu) { Misalignment = misalignment }, cpu = new(CpuDevice.Shared);
        MatrixProductStep step = Bind(run, out Operand c);
        run.Run(step);
        cpu.Run(Bind(cpu, out _));
        Check.That(
            Comparer.Exact("C", run.Read(c), cpu.Read(c)), $"{run.Description}, {size}, {layoutA}-{layoutB}, addresses off by {misalignment}");
        return run.Description;

        // Every number is exact in float32, so the CPU device gives the exact result and its one rounding.
        MatrixProductStep Bind(StepRunner runner, out Operand c)
        {
            (long m, long n, long k) = size;
            DType result = output ?? dtype;
            Operand a = runner.Input("A", dtype, SeededValues.Integers(m * k, 1, 3)), b = runner.Input("B", dtype, SeededValues.Integers(k * n, 2, 3));
            c = accumulate ? runner.InOut("C", result, SeededValues.NonZeroIntegers(m * n, 3, 4)) : runner.Output("C", result, m * n);
            return new MatrixProductStep(a, b, c, m, n, k)
            {
                Label = "exact",
                LayoutA = layoutA,
                LayoutB = layoutB,
                Alpha = -0.5,
                AddTo = accumulate ? c : null,
                Bias = bias ? runner.Input("bias", dtype, SeededValues.NonZeroIntegers(n, 4, 4)) : null,
            };
        }
    }
}
