using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>Every option of every method on a device against the dense float64 reference, on both paths, between guard bands.</summary>
internal abstract class MethodCorrectness
{
    private static readonly AdaptedLinearOptions[] Choices =
    [
        new() { Path = ExecutionPath.Merged },
        new() { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Recompute },
        new() { Path = ExecutionPath.Merged, WeightPolicy = WeightPolicy.Keep },
        new() { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Keep },
        new() { Path = ExecutionPath.Merged, BackwardPath = ExecutionPath.Factored },
        new() { Path = ExecutionPath.Factored, BackwardPath = ExecutionPath.Merged },
    ];

    protected abstract Device Device { get; }

    [TestCaseSource(typeof(MethodCases), nameof(MethodCases.All))]
    public void Agrees_with_the_reference(VerificationCase problem)
    {
        if (!Device.Supports(problem.DType))
        {
            Assert.Pass($"{Device.Id} has no {problem.DType.Label()}, by design");
        }

        using var guarding = new GuardingDevice(Device);
        VerificationRow[] rows = [.. LayerVerification.Run(guarding, problem, Choices)];
        guarding.CheckBands();
        Assert.That(rows, Has.Length.GreaterThanOrEqualTo(3 * Choices.Length));
        Assert.That(rows.Where(row => !row.Passed).Select(row => $"{row.Path}, ratio {row.Ratio:F2}, bound {row.Bound}: {row.Report}"), Is.Empty, $"{problem}");
    }
}

/// <summary>Plans run by the naive interpreter: what fails here is a wrong plan, not a wrong kernel.</summary>
internal sealed class NaiveMethodTests : MethodCorrectness
{
    protected override Device Device { get; } = new NaiveDevice();
}

/// <summary>On the CPU.</summary>
internal sealed class CpuMethodTests : MethodCorrectness
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU.</summary>
[Category("Gpu")]
internal sealed class CudaMethodTests : MethodCorrectness
{
    protected override Device Device => DeviceUnderTest.Cuda;
}
