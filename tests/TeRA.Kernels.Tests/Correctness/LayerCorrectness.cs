using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>
/// Whole layers on a device against the dense float64 reference: y, dX, ΔW, the merged weight and every gradient; both paths, every method,
/// distribution and dtype. Every allocation lies between guard bands and starts as NaN.
/// </summary>
internal abstract class LayerCorrectness
{
    private protected static readonly AdaptedLinearOptions[] BothPaths =
        [new() { Path = ExecutionPath.Merged }, new() { Path = ExecutionPath.Factored }];

    protected abstract Device Device { get; }

    protected virtual int Repeats => 100;

    /// <summary>Every dtype's list.</summary>
    public static IEnumerable<VerificationCase> Quick => Enum.GetValues<DType>().SelectMany(dtype => LayerVerification.Cases(dtype, LayerShapes.Quick));

    /// <summary>A case of every method and dtype, for the tests of options.</summary>
    public static IEnumerable<VerificationCase> Few => Quick.Where((_, i) => i % 9 == 4);

    [TestCaseSource(nameof(Quick))]
    public void Both_paths_agree_with_the_reference(VerificationCase problem) => Verify(problem, BothPaths);

    [TestCaseSource(nameof(Few))]
    public void Options_change_nothing(VerificationCase problem) => Verify(
        problem,
        new AdaptedLinearOptions(),
        new AdaptedLinearOptions { Path = ExecutionPath.Merged, WeightPolicy = WeightPolicy.Keep },
        new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Keep },
        new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Recompute },
        new AdaptedLinearOptions { Path = ExecutionPath.Merged, BackwardPath = ExecutionPath.Factored },
        new AdaptedLinearOptions { Path = ExecutionPath.Factored, BackwardPath = ExecutionPath.Merged });

    [TestCase(ExecutionPath.Merged, DType.Float32)]
    [TestCase(ExecutionPath.Factored, DType.Float32)]
    [TestCase(ExecutionPath.Merged, DType.BFloat16)]
    [TestCase(ExecutionPath.Factored, DType.BFloat16)]
    public void Repeats_are_equal_in_every_bit(ExecutionPath path, DType dtype)
    {
        LayerShape shape = LayerShapes.Quick.Single(candidate => candidate.Tokens == 65);
        LayerData data = LayerData.Normal(shape.Tera(Distribution.Normal), shape.Tokens, dtype, bias: true);
        var options = new AdaptedLinearOptions { Path = path, TrainBias = true };
        LayerValues first = LayerRunner.Run(Device, data, options);
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            LayerValues again = LayerRunner.Run(Device, data, options);
            foreach (((string name, _, double[] expected), (_, _, double[] actual)) in first.Quantities(data.Update).Zip(again.Quantities(data.Update)))
            {
                Check.That(Comparer.SameBits(name, Elements.Encode(actual, DType.Float64), Elements.Encode(expected, DType.Float64)), $"repeat {repeat}");
            }
        }
    }

    private protected void Verify(VerificationCase problem, params AdaptedLinearOptions[] choices)
    {
        if (!Device.Supports(problem.DType))
        {
            Assert.Pass($"{Device.Id} has no {problem.DType.Label()}, by design");
        }

        using var guarding = new GuardingDevice(Device);
        VerificationRow[] rows = [.. LayerVerification.Run(guarding, problem, choices)];
        guarding.CheckBands();
        Assert.That(rows, Has.Length.GreaterThanOrEqualTo(4 * choices.Length));
        Assert.That(rows.Where(row => !row.Passed).Select(row => $"{row.Path}, ratio {row.Ratio:F2}, bound {row.Bound}: {row.Report}"), Is.Empty, $"{problem}");
    }
}

/// <summary>Plans run by the naive interpreter: what fails here is a wrong plan, not a wrong kernel.</summary>
internal sealed class NaiveLayerTests : LayerCorrectness
{
    protected override Device Device { get; } = new NaiveDevice();

    protected override int Repeats => 2;
}

/// <summary>On the CPU.</summary>
internal sealed class CpuLayerTests : LayerCorrectness
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU, with sizes of real layers too.</summary>
[Category("Gpu")]
internal sealed class CudaLayerTests : LayerCorrectness
{
    /// <summary>The long list.</summary>
    public static IEnumerable<VerificationCase> Large => new[] { DType.Float32, DType.BFloat16, DType.Float16 }.SelectMany(dtype => LayerVerification.Cases(dtype, LayerShapes.Large));

    protected override Device Device => DeviceUnderTest.Cuda;

    [TestCaseSource(nameof(Large))]
    public void Both_paths_agree_at_the_sizes_of_real_layers(VerificationCase problem) => Verify(problem, BothPaths);
}
