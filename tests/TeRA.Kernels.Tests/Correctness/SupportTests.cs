using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>The test tools themselves: guard bands, the step runner, seeded data, the reference's special functions.</summary>
internal sealed class SupportTests
{
    private readonly NaiveDevice device = new();

    [TestCase(-1, "byte 1 before its start")]
    [TestCase(-256, "byte 256 before its start")]
    [TestCase(12, "byte 0 after its end")]
    [TestCase(12 + 255, "byte 255 after its end")]
    public unsafe void A_byte_written_outside_a_guarded_buffer_is_found(int offset, string expected)
    {
        using var buffer = new GuardedBuffer(device, "y", 12, misalignment: 4);
        Assert.That(buffer.Damage(), Is.Null);
        ((byte*)buffer.Address)[offset] = 0;
        Assert.That(buffer.Damage(), Does.Contain(expected));
    }

    [Test]
    public unsafe void A_changed_input_is_found()
    {
        using var buffer = new GuardedBuffer(device, "x", 12);
        buffer.Write(new byte[12]);
        ((byte*)buffer.Address)[3] = 1;
        Assert.That(buffer.Damage(), Is.Null);
        buffer.Freeze();
        ((byte*)buffer.Address)[3] = 2;
        Assert.That(buffer.Damage(), Does.Contain("input was changed"));
    }

    [TestCase(DType.Float32)]
    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    [TestCase(DType.Float64)]
    public void Guarded_memory_starts_as_NaN(DType dtype)
    {
        using var buffer = new GuardedBuffer(device, "y", 32);
        Assert.That(Elements.Decode(buffer.Read(), dtype), Is.All.NaN);
    }

    [Test]
    public void The_step_runner_runs_a_product_known_by_hand()
    {
        using var run = new StepRunner(device);
        Operand a = run.Input("A", DType.Float32, [1, 2, 3, 4, 5, 6]), b = run.Input("B", DType.Float32, [1, 10, 100, -1, -10, -100]);
        Operand c = run.Output("C", DType.Float32, 4);
        run.Run(new MatrixProductStep(a, b, c, 2, 2, 3) { Label = "hand", LayoutB = Layout.Transposed, Alpha = 2 });
        Check.That(Comparer.Exact("C", run.Read(c), [642, -642, 1308, -1308]));
        Check.That(Comparer.Exact("reference", run.Expected(c), [642, -642, 1308, -1308]));
        Check.That(Comparer.Exact("absolute", run.Expected(c, Magnitude.Absolute), [642, 642, 1308, 1308]));
    }

    [Test]
    public void Steps_that_change_an_input_or_write_past_an_output_are_caught()
    {
        using var run = new StepRunner(device);
        Operand x = run.Input("x", DType.Float32, [1, 2]), tooShort = run.Output("y", DType.Float32, 1);
        Assert.Multiple(() =>
        {
            Assert.That(() => run.Run(new ConvertStep(x, tooShort, 2) { Label = "past the end" }), Throws.InstanceOf<AssertionException>());
            Assert.That(() => run.Run(new ScaledAddStep(x, x, x, 2) { Label = "over the input" }), Throws.InstanceOf<AssertionException>());
        });
    }

    [Test]
    public void Seeded_values_are_reproducible_and_as_described() => Assert.Multiple(() =>
    {
        Assert.That(SeededValues.Normal(3, 7, DType.Float64), Is.EqualTo(SeededValues.Normal(100, 7, DType.Float64)[..3]));
        Assert.That(SeededValues.Normal(3, 7, DType.Float64), Is.Not.EqualTo(SeededValues.Normal(3, 8, DType.Float64)));
        double[] normal = SeededValues.Normal(20000, 1, DType.Float32);
        Assert.That(normal.Average(), Is.EqualTo(0).Within(0.03));
        Assert.That(normal.Average(x => x * x), Is.EqualTo(1).Within(0.05));
        Assert.That(SeededValues.Integers(1000, 3, 4).Distinct().Order(), Is.EqualTo(Enumerable.Range(-4, 9)));
        Assert.That(SeededValues.NonZeroIntegers(1000, 3, 2).Distinct().Order(), Is.EqualTo(new[] { -2.0, -1, 1, 2 }));
        Assert.That(SeededValues.AwayFromZero(1000, 3, DType.Float32).Select(Math.Abs), Is.All.InRange(0.5, 1.5));
    });

    [TestCase(DType.BFloat16, 1.00390625, 1)]
    [TestCase(DType.BFloat16, 1.01171875, 1.015625)]
    [TestCase(DType.Float16, 1.00048828125, 1)]
    [TestCase(DType.Float16, 65520, double.PositiveInfinity)]
    [TestCase(DType.Float32, 1.0000000596046448, 1)]
    public void Elements_round_to_nearest_even(DType dtype, double value, double expected) => Assert.Multiple(() =>
    {
        Assert.That(Elements.Round(value, dtype), Is.EqualTo(expected));
        Assert.That(Elements.Decode(Elements.Encode([value], dtype), dtype), Is.EqualTo(new[] { expected }));
    });

    [TestCase(0, 0.5)]
    [TestCase(1, 0.8413447460685429)]
    [TestCase(-2.5, 0.006209665325776132)]
    [TestCase(-6, 9.865876450376981e-10)]
    [TestCase(5, 0.9999997133484281)]
    public void The_normal_distribution_has_its_tabulated_values(double x, double expected) =>
        Assert.That(NormalDistribution.Cumulative(x), Is.EqualTo(expected).Within(1e-10).Percent);

    [TestCase(new uint[] { 0, 0, 0, 0 }, new uint[] { 0, 0 }, new uint[] { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 })]
    [TestCase(new uint[] { ~0u, ~0u, ~0u, ~0u }, new uint[] { ~0u, ~0u }, new uint[] { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd })]
    [TestCase(
        new uint[] { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, new uint[] { 0xa4093822, 0x299f31d0 },
        new uint[] { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 })]
    public void The_independent_Philox_gives_the_published_words(uint[] counter, uint[] key, uint[] expected) =>
        Assert.That(ScalarFactor.Philox(counter, key), Is.EqualTo(expected));
}
