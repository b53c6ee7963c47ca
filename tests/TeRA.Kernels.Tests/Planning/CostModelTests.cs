using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Predictions against what was measured on one H100 (bench/results/h100; `bench compare --predicted` shows all of it).</summary>
internal sealed class CostModelTests
{
    private const double Tolerance = 10;

    /// <summary>N, K, tokens; µs of the frozen layer's forward and step.</summary>
    [TestCase(4096, 4096, 8192, 361.7, 701.8)]
    [TestCase(4096, 4096, 2048, 92.1, 180.7)]
    [TestCase(14336, 4096, 8192, 1392.8, 2736.0)]
    [TestCase(4096, 14336, 8192, 1367.4, 2737.2)]
    public void Frozen_layers_are_predicted_near_the_measurements(long n, long k, long tokens, double forward, double step)
    {
        LayerPlan plan = Plan(new LayerProblem(tokens, n, k, DType.BFloat16));
        Assert.That(plan.ForwardSeconds * 1e6, Is.EqualTo(forward).Within(Tolerance).Percent);
        Assert.That(plan.Seconds * 1e6, Is.EqualTo(step).Within(Tolerance).Percent);
    }

    [Test]
    public void Numbers_begun_early_take_what_the_last_wave_does_not_hide()
    {
        Operand operand = new(1, DType.BFloat16);
        var product = new MatrixProductStep(operand, operand, operand, 4096, 4096, 8192) { Label = "dW", LayoutA = Layout.Transposed };
        var fill = new FillRandomStep(operand, new CoreSource(new RandomSource(1, Distribution.Normal), 0, 4096, 4096)) { Label = "G" };
        var both = new FilledProductStep(product, fill) { Label = "both" };
        double apart = CostModel.Seconds(product, DeviceTraits.H100) + CostModel.Seconds(fill, DeviceTraits.H100);
        Assert.That((apart - CostModel.Seconds(both, DeviceTraits.H100)) * 1e6, Is.EqualTo(9.4).Within(2), "367.4 + 20.5 and 378.4 were measured");
        Assert.That(CostModel.Seconds(both with { Fill = fill with { Core = fill.Core with { R = 8 } } }, DeviceTraits.H100), Is.EqualTo(CostModel.Seconds(product, DeviceTraits.H100)).Within(1e-12), "few numbers are hidden");
        Assert.That(CostModel.Seconds(both, DeviceTraits.GenericCpu), Is.EqualTo(CostModel.Seconds(product, DeviceTraits.GenericCpu) + CostModel.Seconds(fill, DeviceTraits.GenericCpu)));
    }

    /// <summary>Tokens and the ranks of three modes of 16; how the step's label begins; µs of the step alone.</summary>
    [TestCase(8192, 8, "P =", 28.3)]
    [TestCase(8192, 16, "P =", 56.7)]
    [TestCase(2048, 8, "P =", 8.7)]
    [TestCase(2048, 16, "P =", 14.7)]
    [TestCase(8192, 16, "W =", 40.3)]
    [TestCase(8192, 16, "G in", 20.2)]
    [TestCase(8192, 16, "Tᵀ =", 28.0)]
    [TestCase(8192, 16, "g_d, g_e =", 30.1)]
    [TestCase(8192, 16, "dT =", 28.0)]
    [TestCase(8192, 8, "Z =", 18.4)]
    [TestCase(8192, 8, "g_d, g_e =", 23.2)]
    public void Steps_are_predicted_near_the_measurements(long tokens, long rank, string label, double measured)
    {
        var problem = new LayerProblem(tokens, 4096, 4096, DType.BFloat16) { Update = new TeraUpdate([16, 16, 16], [rank, rank, rank], [16, 16, 16], [rank, rank, rank]) };
        Step step = new[] { ExecutionPath.Merged, ExecutionPath.Factored }.Select(path => Plan(problem with { Path = path }))
            .SelectMany(plan => plan.Forward.Steps.Concat(plan.Backward.Steps)).First(step => step.Label.StartsWith(label, StringComparison.Ordinal));
        Assert.That(CostModel.Seconds(step, DeviceTraits.H100) * 1e6, Is.EqualTo(measured).Within(Tolerance).Percent);
    }

    /// <summary>Features, tokens and ranks of a square TeRA layer by a path; how the step's label begins; µs of the step alone (`bench steps --grid`).</summary>
    [TestCase(4096, 256, 16, ExecutionPath.Factored, "F =", 143.6)]
    [TestCase(4096, 256, 16, ExecutionPath.Factored, "d =", 151.9)]
    [TestCase(4096, 256, 16, ExecutionPath.Merged, "g_d, g_e =", 75.2)]
    [TestCase(4096, 256, 4, ExecutionPath.Merged, "W =", 68.1)]
    [TestCase(1024, 1024, 16, ExecutionPath.Factored, "Z =", 549.9)]
    [TestCase(1024, 256, 8, ExecutionPath.Factored, "dP =", 28.8)]
    [TestCase(1024, 256, 8, ExecutionPath.Factored, "Y = ", 13.0)]
    [TestCase(1024, 256, 8, ExecutionPath.Factored, "Y +=", 6.6)]
    [TestCase(1024, 2048, 16, ExecutionPath.Factored, "Y +=", 40.0)]
    public void Steps_of_small_layers_are_predicted_near_the_measurements(long features, long tokens, long rank, ExecutionPath path, string label, double measured)
    {
        ImmutableArray<long> modes = ModeFactorization.Propose(features), ranks = [rank, rank, rank];
        LayerPlan plan = Plan(new LayerProblem(tokens, features, features, DType.BFloat16) { Update = new TeraUpdate(modes, ranks, modes, ranks), Path = path });
        Step step = plan.Forward.Steps.Concat(plan.Backward.Steps).First(step => step.Label.StartsWith(label, StringComparison.Ordinal));
        Assert.That(CostModel.Seconds(step, DeviceTraits.H100) * 1e6, Is.EqualTo(measured).Within(Tolerance).Percent);
    }

    /// <summary>Rank and µs of a low-rank update's first product and of its first factor's gradient.</summary>
    [TestCase(16, 28.0, 31.5)]
    [TestCase(64, 29.0, 30.7)]
    [TestCase(128, 32.7, 35.0)]
    public void Products_with_a_short_side_are_predicted_near_the_measurements(long rank, double contraction, double gradient)
    {
        LayerPlan plan = Plan(new LayerProblem(8192, 4096, 4096, DType.BFloat16) { Update = new LowRankUpdate(4096, 4096, rank, alpha: 2 * rank), Path = ExecutionPath.Factored });
        Assert.That(Seconds(plan.Forward, "αP ="), Is.EqualTo(contraction).Within(Tolerance).Percent);
        Assert.That(Seconds(plan.Backward, "gradient of lora_A"), Is.EqualTo(gradient).Within(Tolerance).Percent);

        double Seconds(LayerPass pass, string label) =>
            CostModel.Seconds(pass.Steps.First(step => step.Label.StartsWith(label, StringComparison.Ordinal)), DeviceTraits.H100) * 1e6;
    }

    private static LayerPlan Plan(LayerProblem problem) => LayerPlanner.Plan(problem, DeviceTraits.H100);
}
