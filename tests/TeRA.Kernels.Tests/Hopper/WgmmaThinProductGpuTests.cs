using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Products with a short side: exact on integers on either side, in every layout, ragged at every edge, cut in parts or whole, and repeatable.</summary>
internal sealed class WgmmaThinProductGpuTests : HopperProductFixture
{
    private const string Kernel = "wgmma_thin_product";

    /// <summary>
    /// Long side, short side, depth: multiples of eight around the edges of all tiles (64, 128, 256 of the short side), sums whole (depth below 1024 or
    /// more than 66 tiles) and in two parts; then few tiles, and sums in four and eight.
    /// </summary>
    internal static readonly (long Long, long Short, long K)[] Sizes =
    [
        (1024, 64, 64), (1032, 8, 1096), (8200, 16, 72), (9000, 56, 136), (1416, 72, 1032), (8456, 128, 200), (8104, 136, 1160), (8584, 256, 72), (8072, 248, 1224),
        (64, 64, 8192), (8, 8, 4104), (88, 72, 2056), (504, 16, 2120), (512, 120, 4168), (1096, 24, 2048),
    ];

    [Test]
    public void Integers_are_exact(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b, [Values] bool shortRows)
    {
        foreach ((long length, long width, long k) in Sizes)
        {
            Assert.That(Exact(dtype, shortRows ? (width, length, k) : (length, width, k), a, b), Does.StartWith(Kernel));
        }
    }

    [Test]
    public void A_float32_result_is_exact_and_can_be_added_to([ValueSource(nameof(DTypes))] DType dtype, [Values] bool accumulate, [Values] bool shortRows)
    {
        foreach ((long length, long width, long k) in Sizes)
        {
            Assert.That(
                Exact(dtype, shortRows ? (width, length, k) : (length, width, k), Layout.Transposed, Layout.Normal, DType.Float32, accumulate ? Addend.InPlace : Addend.None), Does.StartWith(Kernel));
        }
    }

    [Test]
    public void A_16_bit_result_can_be_added_to([ValueSource(nameof(DTypes))] DType dtype, [Values] bool shortRows) => Assert.That(
        Exact(dtype, shortRows ? (72, 1416, 1032) : (1416, 72, 1032), Layout.Normal, Layout.Transposed, addend: Addend.InPlace), Does.StartWith(Kernel));

    // K is contiguous in both operands: neither side need be a multiple of anything.
    [TestCase(1027, 1, 1096)]
    [TestCase(5, 1031, 1096)]
    [TestCase(9001, 63, 72)]
    [TestCase(131, 8069, 136)]
    public void Odd_sides_need_no_padding(long m, long n, long k) =>
        Assert.That(Exact(DType.BFloat16, (m, n, k), Layout.Normal, Layout.Transposed), Does.StartWith(Kernel));

    [Test]
    public void Addresses_that_miss_16_bytes_are_served_too([Values(2, 4, 8)] int misalignment) =>
        Exact(DType.BFloat16, (1032, 16, 1096), Layout.Normal, Layout.Transposed, misalignment: misalignment);

    [Test]
    public void Normal_numbers_are_within_the_bounds([ValueSource(nameof(DTypes))] DType dtype, [Values(16, 128, 256)] long width)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, dtype, width);
        run.Run(bound.Step);
        Assert.That(run.Description, Does.StartWith(Kernel));
        Check.That(StepBounds.Compare(run, bound, c, dtype), run.Description);
    }

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits([Values(16, 128, 256)] long width)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, DType.BFloat16, width);
        AssertRepeats(run, bound.Step, c);
    }

    // Two parts a sum.
    private static (BoundStep Bound, Operand C) Normal(StepRunner run, DType dtype, long n)
    {
        const long k = 1160;
        long m = n > 128 ? 8072 : 1096;
        Operand left = run.Input("A", dtype, SeededValues.Normal(m * k, 1, dtype)), right = run.Input("B", dtype, SeededValues.Normal(k * n, 2, dtype));
        Operand c = run.Output("C", dtype, m * n);
        var step = new MatrixProductStep(left, right, c, m, n, k) { Label = "normal", LayoutA = Layout.Transposed, Alpha = 0.3f };
        return (new BoundStep(step, [c], StepAccuracy.Sum), c);
    }
}
