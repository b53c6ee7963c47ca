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
    protected abstract Device Device { get; }

    /// <summary>Every dtype's list.</summary>
    public static IEnumerable<VerificationCase> Quick => Enum.GetValues<DType>().SelectMany(dtype => LayerVerification.Cases(dtype, LayerShapes.Quick));

    /// <summary>A case of every method and dtype, for the tests of options.</summary>
    public static IEnumerable<VerificationCase> Few => Quick.Where((_, i) => i % 9 == 4);

    [TestCaseSource(nameof(Quick))]
    public void The_merged_path_agrees_with_the_reference(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Merged });

    [TestCaseSource(nameof(Quick))]
    public void The_factored_path_agrees_with_the_reference(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Factored });

    [TestCaseSource(nameof(Few))]
    public void Keeping_the_merged_weight_changes_nothing(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Merged, WeightPolicy = WeightPolicy.Keep });

    [TestCaseSource(nameof(Few))]
    public void Keeping_the_contractions_changes_nothing(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Factored, KeepContractions = true });

    [TestCaseSource(nameof(Few))]
    public void The_planners_own_choice_agrees_with_the_reference(VerificationCase problem) => Verify(problem, new AdaptedLinearOptions());

    [TestCase(ExecutionPath.Merged, DType.Float32)]
    [TestCase(ExecutionPath.Factored, DType.Float32)]
    [TestCase(ExecutionPath.Merged, DType.BFloat16)]
    [TestCase(ExecutionPath.Factored, DType.BFloat16)]
    public void A_hundred_repeats_are_equal_in_every_bit(ExecutionPath path, DType dtype)
    {
        LayerShape shape = LayerShapes.Quick.Single(candidate => candidate.Tokens == 65);
        LayerData data = LayerData.Normal(shape.Tera(Distribution.Normal), shape.Tokens, dtype, bias: true);
        var options = new AdaptedLinearOptions { Path = path, TrainBias = true };
        LayerValues first = LayerRunner.Run(Device, data, options);
        for (int repeat = 0; repeat < 100; repeat++)
        {
            LayerValues again = LayerRunner.Run(Device, data, options);
            foreach (((string name, _, double[] expected), (_, _, double[] actual)) in first.Quantities(data.Update).Zip(again.Quantities(data.Update)))
            {
                Check.That(Comparer.SameBits(name, Elements.Encode(actual, DType.Float64), Elements.Encode(expected, DType.Float64)), $"repeat {repeat}");
            }
        }
    }

    private protected void Verify(VerificationCase problem, AdaptedLinearOptions options)
    {
        if (!Device.Supports(problem.DType))
        {
            Assert.Pass($"{Device.Id} has no {problem.DType.Label()}, by design");
        }

        using var guarding = new GuardingDevice(Device);
        VerificationRow[] rows = [.. LayerVerification.Run(guarding, problem, options with { TrainBias = problem.Bias })];
        guarding.CheckBands();
        Assert.That(rows, Has.Length.GreaterThanOrEqualTo(4));
        Assert.That(rows.Where(row => !row.Passed).Select(row => $"ratio {row.Ratio:F2}, bound {row.Bound}: {row.Report}"), Is.Empty, $"{problem} {options.Path}");
    }
}

/// <summary>Plans run by the naive interpreter: what fails here is a wrong plan, not a wrong kernel.</summary>
internal sealed class NaiveLayerTests : LayerCorrectness
{
    protected override Device Device { get; } = new NaiveDevice();
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
    public static IEnumerable<VerificationCase> Large => Enum.GetValues<DType>().SelectMany(dtype => LayerVerification.Cases(dtype, LayerShapes.Large));

    protected override Device Device => DeviceUnderTest.Cuda;

    [TestCaseSource(nameof(Large))]
    public void The_merged_path_agrees_at_the_sizes_of_real_layers(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Merged });

    [TestCaseSource(nameof(Large))]
    public void The_factored_path_agrees_at_the_sizes_of_real_layers(VerificationCase problem) =>
        Verify(problem, new AdaptedLinearOptions { Path = ExecutionPath.Factored });
}
