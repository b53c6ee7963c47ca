using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>The projection on the core's diagonals by a product of wgmma and the marginals of what it leaves: exact on signs, within the bounds on normal numbers, repeatable.</summary>
internal sealed class WgmmaProjectionGpuTests : HopperFixture
{
    private static readonly DType[] DTypes = [DType.BFloat16, DType.Float16];

    /// <summary>Ragged tiles, one part and many, tokens that are no multiple of a stage.</summary>
    internal static readonly (long R, long S, long Tokens)[] Sizes = [(256, 256, 8192), (512, 512, 2000), (136, 264, 6111), (1096, 520, 200), (200, 1032, 1513)];

    [Test]
    public void Signs_give_the_bits_of_the_CPU(
        [ValueSource(nameof(Sizes))] (long, long, long) size, [ValueSource(nameof(DTypes))] DType dtype, [Values(0, 2)] int misalignment)
    {
        using StepRunner run = new(Gpu), cpu = new(CpuDevice.Shared);
        CoreProjectionStep step = Bind(run, size, dtype, integers: true, misalignment);
        run.Run(step);
        Assert.That(run.Description, Does.StartWith("wgmma_product"));
        cpu.Run(Bind(cpu, size, dtype, integers: true));
        foreach (Operand gradient in new[] { step.RowGradient, step.ColumnGradient })
        {
            Check.That(Comparer.Exact("gradient", run.Read(gradient), cpu.Read(gradient), zerosAreRight: true), $"{run.Description}, {size}");
        }
    }

    [Test]
    public void Normal_numbers_are_within_the_bounds([ValueSource(nameof(DTypes))] DType dtype)
    {
        using var run = new StepRunner(Gpu);
        CoreProjectionStep step = Bind(run, (136, 264, 6111), dtype, integers: false);
        var bound = new BoundStep(step, [step.RowGradient, step.ColumnGradient], StepAccuracy.Sum);
        run.Run(step);
        Assert.That(run.Description, Does.StartWith("wgmma_product"));
        Check.That(StepBounds.Compare(run, bound, step.RowGradient, dtype), run.Description);
        Check.That(StepBounds.Compare(run, bound, step.ColumnGradient, dtype), run.Description);
    }

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits()
    {
        using var run = new StepRunner(Gpu);
        CoreProjectionStep step = Bind(run, (512, 512, 2000), DType.BFloat16, integers: false);
        AssertRepeats(run, step, step.ColumnGradient);
    }

    // With signs, every sum is an integer far below 2²⁴: exact in float32 in any order.
    private static CoreProjectionStep Bind(StepRunner run, (long R, long S, long Tokens) size, DType dtype, bool integers, int misalignment = 0)
    {
        (long r, long s, long tokens) = size;
        var source = new RandomSource(11, integers ? Distribution.Rademacher : Distribution.Normal);
        double[] Values(long count, ulong seed, DType type) => integers ? SeededValues.NonZeroIntegers(count, seed, 1) : SeededValues.Normal(count, seed, type);
        Operand d = run.Input("d", DType.Float32, Values(r, 3, DType.Float32)), e = run.Input("e", DType.Float32, Values(s, 4, DType.Float32));
        Operand rows = run.Output("g_d", DType.Float32, r), columns = run.Output("g_e", DType.Float32, s);
        run.Misalignment = misalignment;
        Operand q = run.Input("Q", dtype, Values(tokens * r, 1, dtype)), p = run.Input("P", dtype, Values(tokens * s, 2, dtype));
        return new CoreProjectionStep(q, p, d, e, rows, columns, tokens, new CoreSource(source, 5, r, s)) { Label = "projection", Alpha = integers ? 0.5 : 0.3f };
    }
}
