using NUnit.Framework;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Predictions against what `bench layers` measured on one H100 (bench/NOTES.md).</summary>
internal sealed class CostModelTests
{
    private const double Tolerance = 10;

    /// <summary>N, K, tokens, rank fraction; µs of the frozen layer's forward and step, and of the merged path's forward and step (null: not measured as it is planned now).</summary>
    [TestCase(4096, 4096, 8192, 0.125, 361.7, 701.8, 435.4, 986.4)]
    [TestCase(4096, 4096, 2048, 0.125, 92.1, 180.7, 168.9, null)]
    [TestCase(14336, 4096, 8192, 0.125, 1392.8, 2736.0, 1622.1, 3386.5)]
    [TestCase(4096, 14336, 8192, 0.125, 1367.4, 2737.2, 1593.1, 3408.2)]
    [TestCase(4096, 4096, 8192, 1.0, 360.8, 703.0, 570.8, null)]
    public void Predictions_are_near_the_measurements(
        long n, long k, long tokens, double fraction, double frozenForward, double frozenStep, double mergedForward, double? mergedStep)
    {
        long rank = (long)(512 * fraction * 8);
        TeraUpdate update = TeraUpdate.ProposeRank(n, k, rank);
        LayerPlan frozen = Plan(null), merged = Plan(update);
        Assert.Multiple(() =>
        {
            Assert.That(frozen.ForwardSeconds * 1e6, Is.EqualTo(frozenForward).Within(Tolerance).Percent);
            Assert.That(frozen.Seconds * 1e6, Is.EqualTo(frozenStep).Within(Tolerance).Percent);
            Assert.That(merged.ForwardSeconds * 1e6, Is.EqualTo(mergedForward).Within(Tolerance).Percent);
            Assert.That(merged.Seconds * 1e6, Is.EqualTo(mergedStep ?? merged.Seconds * 1e6).Within(Tolerance).Percent);
        });

        LayerPlan Plan(WeightUpdate? of) => LayerPlanner.Plan(
            new LayerProblem(tokens, n, k, DType.BFloat16) { Update = of, Path = of is null ? ExecutionPath.Auto : ExecutionPath.Merged }, DeviceTraits.H100);
    }
}
