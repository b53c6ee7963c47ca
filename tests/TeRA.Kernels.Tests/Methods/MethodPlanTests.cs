using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>How the methods are planned: what runs, what is read in place, which way the gradients take.</summary>
internal sealed class MethodPlanTests
{
    [Test]
    public void Randloras_gradients_go_through_dW_when_tokens_are_many_and_through_contractions_when_few()
    {
        var update = new RandLoraUpdate(4096, 4096, 32, RandLoraPairing.Paper);
        LayerPlan many = Plan(8192, update), few = Plan(64, update);
        Assert.That(Labels(many.Backward), Has.Some.EqualTo("dW = dYᵀ·X").And.Some.Contains("Leftᵀ·dW"));
        Assert.That(Labels(few.Backward), Has.None.EqualTo("dW = dYᵀ·X").And.Some.Contains("Qᵀ·X"));
        Assert.That((many.Path, few.Path), Is.EqualTo((ExecutionPath.Merged, ExecutionPath.Factored)));
        double product = 2.0 * 8192 * 4096 * 4096;
        Assert.That(many.Operations / product, Is.EqualTo(2 + 0.5 + 0.5 + 1.5).Within(0.05), "Y and dX, two builds, dW and its projection");
    }

    [Test]
    public void The_weight_starts_from_W0_in_the_product_itself()
    {
        var update = new RandLoraUpdate(4096, 4096, 32, RandLoraPairing.Paper);
        LayerPlan plan = Plan(8192, update);
        Assert.That(Labels(plan.Forward), Has.Some.EqualTo("W = W0 + α·Left·Right"));
        Assert.That(plan.Forward.Steps.OfType<ConvertStep>().Any(step => step.Count == 4096 * 4096), Is.False, "W0 is not copied");
        LayerPlan two = LayerPlanner.Plan(plan.Problem with { Updates = [update, update], Path = ExecutionPath.Merged }, DeviceTraits.H100);
        Assert.That(Labels(two.Forward), Has.Some.EqualTo("W = W0 + α·Left·Right").And.Some.EqualTo("W += α·Left·Right"));
    }

    [Test]
    public void A_kept_weight_saves_one_of_randloras_builds()
    {
        var problem = new LayerProblem(8192, 4096, 4096, DType.BFloat16) { Update = new RandLoraUpdate(4096, 4096, 32, RandLoraPairing.Paper), WeightPolicy = WeightPolicy.Keep };
        LayerPlan plan = LayerPlanner.Plan(problem, DeviceTraits.H100);
        Assert.That(plan.Operations / (2.0 * 8192 * 4096 * 4096), Is.EqualTo(4).Within(0.05));
    }

    [Test]
    public void Low_rank_methods_cost_little_beside_the_frozen_layer()
    {
        double frozen = Plan(8192, null).Operations;
        foreach (WeightUpdate update in new WeightUpdate[] { new VeraUpdate(4096, 4096, 256), new LotrUpdate(4096, 4096, 64), new LowRankUpdate(4096, 4096, 64) })
        {
            Assert.That(Plan(8192, update).Operations / frozen, Is.LessThan(1.2), update.Method);
        }
    }

    [Test]
    public void Given_bases_that_fit_are_read_in_place_and_larger_ones_are_cut()
    {
        LayerPlan fits = Plan(64, new VeraUpdate(32, 16, 4, FrozenBases.Given(DType.BFloat16, [4, 16], [32, 4])));
        LayerPlan larger = Plan(64, new VeraUpdate(32, 16, 4, FrozenBases.Given(DType.BFloat16, [4, 24], [40, 4])));
        Assert.That(fits.Forward.Steps.OfType<ScaledCopiesStep>().Count(), Is.EqualTo(1), "B with its scales");
        Assert.That(larger.Forward.Steps.OfType<ScaledCopiesStep>().Select(step => step.Stride), Is.EquivalentTo(new long[] { 4, 24 }));
        Assert.That(fits.Forward.Steps.OfType<FillRandomStep>(), Is.Empty);
        Assert.That(fits.ForwardBuffers.Where(buffer => buffer.Role == BufferRole.Stored).Select(buffer => (buffer.Name, buffer.Index)), Is.EquivalentTo(new[] { ("vera_A", 0), ("vera_B", 1) }));
        Assert.That(fits.Explain(), Does.Contain("given vera_A, vera_B (384 B, shared)"));
    }

    [Test]
    public void Several_updates_have_their_own_scratch_and_tensors()
    {
        var problem = new LayerProblem(16, 6, 5, DType.Float32) { Updates = [new LotrUpdate(6, 5, 2), new VeraUpdate(6, 5, 3), new LowRankUpdate(6, 5, 2)], TrainBias = true };
        LayerPlan plan = LayerPlanner.Plan(problem with { Path = ExecutionPath.Factored }, DeviceTraits.H100);
        Assert.That(
            plan.BackwardBuffers.Where(buffer => buffer.Role == BufferRole.ParameterGradient).Select(buffer => (buffer.Name, buffer.Index)),
            Is.EquivalentTo(new[] { ("grad lotr_M", 0), ("grad vera_lambda_b", 1), ("grad vera_lambda_d", 2), ("grad lora_A.weight", 3), ("grad lora_B.weight", 4), ("grad bias", 5) }));
        Assert.That(plan.ForwardBuffers.Count(buffer => buffer.Role == BufferRole.Scratch && buffer.Name.EndsWith('P')), Is.GreaterThan(0));
        Assert.That(plan.Explain(), Does.StartWith("lotr + vera + lora 6×5, 16 tokens"));
        Assert.That(() => LayerPlanner.Plan(problem with { Updates = [new LotrUpdate(6, 5, 2), new LotrUpdate(5, 6, 2)] }, DeviceTraits.H100), Throws.ArgumentException.With.Message.Contains("is 5×6, the layer is 6×5"));
    }

    private static LayerPlan Plan(long tokens, WeightUpdate? update) =>
        LayerPlanner.Plan(new LayerProblem(tokens, update?.OutFeatures ?? 4096, update?.InFeatures ?? 4096, DType.BFloat16) { Update = update }, DeviceTraits.H100);

    private static string[] Labels(LayerPass pass) => [.. pass.Steps.Select(step => step.Label)];
}
