using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Gradients of Kronecker updates by way of dW: when, in which steps and memory, and that they are right.</summary>
internal sealed class WeightGradientPlanTests
{
    private static readonly TeraUpdate Full = TeraUpdate.Propose(4096, 4096, rankFraction: 1);

    // On a GPU with slow tensor cores, ranks above the features: rows of dWᵀ become transposed rows.
    private static readonly DeviceTraits Hopper = DeviceTraits.H100 with { HalfOperationsPerSecond = 1e9, SingleOperationsPerSecond = 1e11 };
    private static readonly LayerShape Wide = new(300, [4, 64], [8, 64], [4, 64], [8, 64]);

    // Ranks above the features.
    private static readonly LayerShape Small = new(257, [4, 4], [6, 7], [3, 5], [5, 8]);

    [Test]
    public void Full_rank_goes_through_dW_in_these_steps()
    {
        LayerPlan plan = Plan(DeviceTraits.H100, Full, 8192);
        Assert.That(Labels(plan.Backward), Is.EqualTo(new[]
        {
            "A₁ᵀ, 2^-4·(A₂⊗A₃)ᵀ, C₁ᵀ, 2^-4·(C₂⊗C₃)ᵀ, C₁∘e, 2^-4·(C₂⊗C₃)∘e, A₁∘d, 2^-4·(A₂⊗A₃)∘d", "dWᵀ = 2^-6·Xᵀ·dY, G in bfloat16", "dT = 2^-6·Uᵀ·dW", "g_d, g_e = α·2^18·(H∘G) against e, d, H = 2^-6·dT·V",
            "gradients of tera_row.0, tera_row.1, tera_row.2, tera_col.0, tera_col.1, tera_col.2 += marginals of g_d, g_e",
            "Tᵀ = 2^-6·V·(G∘e)ᵀ", "W = W0 + α·2^6·U·(d∘T)", "dX = dY·W",
        }));
        Assert.That(plan.ScratchBytes, Is.LessThanOrEqualTo((2L * 4096 * 4096) + (4 * 4 * 4096) + (4 * 2 * ((256 * 256) + 256))), "W takes the place that G left, and dW, dT and T lie in dX until it is written");
    }

    [TestCase(8192, false, true, TestName = "dX lends two matrices: G is begun while dW is multiplied")]
    [TestCase(8191, false, false, TestName = "It lends one: G comes when dW is no longer needed")]
    [TestCase(4096, false, false, TestName = "It lends just one")]
    [TestCase(2048, false, false, TestName = "It lends none")]
    [TestCase(8192, true, false, TestName = "Beside a kept W nothing is in the arena, and nothing comes there")]
    public void The_core_is_begun_early_where_there_is_room(int tokens, bool keep, bool early)
    {
        var problem = new LayerProblem(tokens, 4096, 4096, DType.BFloat16) { Update = Full, WeightPolicy = keep ? WeightPolicy.Keep : WeightPolicy.Rebuild, Path = ExecutionPath.Merged };
        LayerPlan plan = LayerPlanner.Plan(problem, DeviceTraits.H100);
        Assert.That(plan.Backward.Steps.Count(step => step is FilledProductStep), Is.EqualTo(early ? 1 : 0));
        Assert.That(plan.Backward.Steps.Count(step => step is FillRandomStep), Is.EqualTo(early ? 0 : 1));
        Assert.That(LayerPlanner.Plan(problem, DeviceTraits.H100 with { Architecture = 80 }).Backward.Steps.OfType<FilledProductStep>(), Is.Empty);
    }

    [Test]
    public void A_product_of_whole_waves_leaves_no_room_for_it()
    {
        LayerPlan plan = Plan(DeviceTraits.H100, TeraUpdate.Propose(4224, 4096, rankFraction: 1), 16384);
        Assert.That(Labels(plan.Backward), Has.Some.EqualTo("G in bfloat16"));
    }

    [Test]
    public void A_low_rank_and_few_tokens_do_not()
    {
        Assert.That(Labels(Plan(DeviceTraits.H100, TeraUpdate.Propose(4096, 4096), 8192).Backward), Has.None.StartsWith("dW"));
        Assert.That(Labels(Plan(DeviceTraits.H100, Full, 256).Backward), Has.None.StartsWith("dW"));
    }

    [Test]
    public void Gradients_through_dW_are_right([Values(DType.Float32, DType.BFloat16, DType.Float64)] DType dtype)
    {
        Verify(Hopper, Wide, dtype, dtype == DType.BFloat16 ? "dWᵀ = " : "dW = ");
        Verify(DeviceTraits.GenericCpu, Small, dtype, "dW = ");
    }

    [Test]
    public void The_steps_between_do_not_share_a_buffer_with_the_weights()
    {
        // The merged weight's T is R×K here, and the gradients' N×S, twice as large.
        LayerPlan plan = LayerPlanner.Plan(
            new LayerProblem(64, 8, 4, DType.Float64) { Update = new TeraUpdate([2, 4], [4, 4], [2, 2], [8, 4]), Path = ExecutionPath.Merged }, DeviceTraits.GenericCpu);
        Assert.That(plan.BackwardBuffers.Where(buffer => buffer.Name is "T" or "dT").Select(buffer => buffer.Count), Is.EquivalentTo(new[] { 16 * 4, 8 * 32 }));
    }

    [Test]
    public void Float16_keeps_its_bits_where_products_of_both_sides_would_not()
    {
        // A thousandth is a normal float16, a millionth has four bits.
        LayerData data = LayerData.Normal(Wide.Tera(Distribution.Normal), Wide.Tokens, DType.Float16, bias: false);
        data = data with { X = Times(data.X, 1 / 1024.0), OutputGradient = Times(data.OutputGradient, 1 / 1024.0) };
        double[][] expected = DenseReference.Compute(data).Gradients;
        foreach (DeviceTraits traits in new[] { Hopper, DeviceTraits.GenericCpu })
        {
            LayerValues actual = LayerRunner.Run(new PlanningFor(DeviceUnderTest.Cpu, traits), data, new AdaptedLinearOptions(), weights: false);
            for (int i = 0; i < expected.Length; i++)
            {
                double largest = expected[i].Max(Math.Abs);
                Assert.That(actual.Gradients[i].Zip(expected[i], (a, b) => Math.Abs(a - b)).Max() / largest, Is.LessThan(0.01), data.Update!.Trained[i].Name);
            }
        }
    }

    [Test]
    public void Float16_stays_in_range_where_the_plain_sums_would_not()
    {
        // Tokens that are all alike add up without cancelling: T and H are sums of as many terms as the sides are long, the gradients of 300.
        LayerData data = LayerData.Normal(Wide.Tera(Distribution.Normal), Wide.Tokens, DType.Float16, bias: false);
        data = data with { X = Alike(data.X, data.InFeatures, 16), OutputGradient = Alike(data.OutputGradient, data.OutFeatures, 16) };
        double[][] expected = DenseReference.Compute(data).Gradients;
        LayerValues actual = LayerRunner.Run(
            new PlanningFor(DeviceUnderTest.Cpu, Hopper), data, new AdaptedLinearOptions(), weights: false);
        for (int i = 0; i < expected.Length; i++)
        {
            double largest = expected[i].Max(Math.Abs);
            Assert.That(actual.Gradients[i].Zip(expected[i], (a, b) => Math.Abs(a - b)).Max() / largest, Is.LessThan(0.02), data.Update!.Trained[i].Name);
        }
    }

    private static double[] Times(double[] values, double factor) => [.. values.Select(value => Elements.Round(value * factor, DType.Float16))];

    private static double[] Alike(double[] rows, long length, double factor) =>
        [.. rows.Select((_, i) => Elements.Round(factor * rows[i % length], DType.Float16))];

    private static void Verify(DeviceTraits traits, LayerShape shape, DType dtype, string way)
    {
        WeightUpdate update = shape.Tera(Distribution.Normal);
        using var guarding = new GuardingDevice(new PlanningFor(DeviceUnderTest.Cpu, traits));
        VerificationRow[] rows = [.. LayerVerification.Run(guarding, new VerificationCase("through dW", update, shape.Tokens, dtype, Bias: false, Exact: false))];
        guarding.CheckBands();
        Assert.That(rows.Where(row => !row.Passed).Select(row => row.Report), Is.Empty);
        LayerPlan plan = LayerPlanner.Plan(new LayerProblem(shape.Tokens, shape.OutFeatures, shape.InFeatures, dtype) { Update = update }, traits);
        Assert.That(Labels(plan.Backward), Has.Some.StartsWith(way), "this is what was verified");
    }

    private static LayerPlan Plan(DeviceTraits traits, WeightUpdate update, long tokens) =>
        LayerPlanner.Plan(new LayerProblem(tokens, update.OutFeatures, update.InFeatures, DType.BFloat16) { Update = update }, traits);

    private static string[] Labels(LayerPass pass) => [.. pass.Steps.Select(step => step.Label)];
}
