using System.Diagnostics;
using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Updates whose term joins the frozen layer's product: which steps, which memory, and that the results are right.</summary>
internal sealed class JoinedPlanTests
{
    // Enough for 32 tiles of 128 columns.
    private const long Tokens = 2048;

    // Slow vector units, so that nothing but tensor cores pays.
    private static readonly DeviceTraits Hopper = DeviceTraits.H100 with { SingleOperationsPerSecond = 1e9, LaunchSeconds = 0 };

    // Blocks of 128 columns, sums of 64 and of 8.
    private static readonly TeraUpdate Kronecker = new([2, 8, 16], [3, 8, 8], [2, 16, 8], [2, 2, 4]);

    // c is no power of two, and α neither.
    private static readonly TeraUpdate Sparse = new([3, 8, 16], [5, 4, 2], [2, 8, 16], [4, 4, 4], seed: 3, Distribution.Ternary(0.375), scale: -0.7);

    /// <summary>Updates that join, alone.</summary>
    public static IEnumerable<WeightUpdate> Joining =>
    [
        Kronecker,
        new TeraUpdate([3, 128], [5, 8], [2, 128], [4, 16], scale: 3),
        Sparse,
        new LowRankUpdate(384, 256, 64, alpha: 16),
        new LowRankUpdate(256, 384, 64),
        new LotrUpdate(256, 256, 64, LotrSides.Trained, seed: 5),
        new VeraUpdate(384, 256, 64),
    ];

    [Test]
    public void The_joined_tera_plan_has_these_steps()
    {
        LayerPlan plan = Plan(DeviceTraits.H100, 2048, TeraUpdate.Propose(4096, 4096), problem => problem with { HasBias = true });
        Assert.That(Labels(plan.Forward), Is.EqualTo(new[]
        {
            "P = 2^-6·X·V", "d = tera_row.0⊗tera_row.1⊗tera_row.2, e = tera_col.0⊗tera_col.1⊗tera_col.2, F = 2^-3·A₂⊗A₃, M = 2^-6·(A₁⊗1)·(d∘G∘e)", "Z = P·Mᵀ", "Y = X·W0ᵀ + b + Z·(A₂⊗A₃)ᵀ in blocks of 256",
        }));
        Assert.That(Labels(plan.Backward)[..4], Is.EqualTo(new[]
        {
            "Q = 2^-6·dY·U", "F = 2^-3·C₂⊗C₃, M = 2^-6·(C₁⊗1)·(d∘G∘e)ᵀ", "Z = Q·Mᵀ", "dX = dY·W0 + Z·(C₂⊗C₃)ᵀ in blocks of 256",
        }));
        Assert.That(plan.ScratchBytes, Is.LessThan(2L * 4096 * 4096 / 2), "nothing of the weight's size");
        MatrixProductStep product = plan.Forward.Steps.OfType<MatrixProductStep>().Last();
        Assert.That((product.Blocks!.K, product.Blocks.Columns, product.Alpha), Is.EqualTo((64, 256, 1.0)));
    }

    [Test]
    public void The_joined_low_rank_plan_has_these_steps()
    {
        LayerPlan plan = Plan(DeviceTraits.H100, 8192, new LowRankUpdate(4096, 4096, 64, alpha: 16), problem => problem with { Contractions = ContractionPolicy.Recompute });
        Assert.That(Labels(plan.Forward), Is.EqualTo(new[]
        {
            "Right = lora_A.weight in bfloat16", "αP = α·X·Rightᵀ", "Left = lora_B.weight in bfloat16", "Y = X·W0ᵀ + αP·Leftᵀ",
        }));
        Assert.That(Labels(plan.Backward), Does.Contain("αQ = α·dY·Left").And.Contain("dX = dY·W0 + αQ·Right"));
        Assert.That(Labels(plan.Backward), Does.Contain("gradient of lora_A.weight += αQᵀ·X").And.Contain("gradient of lora_B.weight += α·dYᵀ·P"));
        LayerPlan keeping = Plan(DeviceTraits.H100, 8192, new LowRankUpdate(4096, 4096, 64, alpha: 16));
        Assert.That(keeping.Kept.Select(buffer => buffer.Name), Is.EqualTo(new[] { "Right", "αP", "Left" }));
        Assert.That(Labels(keeping.Backward), Does.Contain("gradient of lora_B.weight += dYᵀ·αP"), "α is in it already");
    }

    [Test]
    public void One_update_joins_and_the_others_are_added_after_it()
    {
        LayerPlan plan = LayerPlanner.Plan(
            new LayerProblem(2048, 4096, 4096, DType.BFloat16) { Updates = [TeraUpdate.Propose(4096, 4096), new LowRankUpdate(4096, 4096, 64)], Path = ExecutionPath.Factored },
            DeviceTraits.H100);
        foreach (LayerPass pass in new[] { plan.Forward, plan.Backward })
        {
            Step[] joined = [.. pass.Steps.Where(step => step is MatrixProductStep { Blocks: not null })];
            Assert.That(joined, Has.Length.EqualTo(1));
            int place = pass.Steps.IndexOf(joined[0]);
            Assert.That(Labels(pass)[(place + 1)..], Has.Some.StartsWith("Y += ").Or.Some.StartsWith("dX += "));
            Assert.That(Labels(pass)[..place], Has.None.StartsWith("Y += ").And.None.StartsWith("dX += "));
        }
    }

    [TestCase(64L, 64L, Description = "blocks of 64 columns")]
    [TestCase(4096L, 1L, Description = "one mode")]
    public void Where_the_device_has_no_such_kernel_the_term_is_added(long first, long second)
    {
        long[] modes = second == 1 ? [first] : [first, second], ranks = second == 1 ? [64] : [8, 8];
        LayerPlan plan = Plan(DeviceTraits.H100, 8192, new TeraUpdate([.. modes], [.. ranks], [.. modes], [.. ranks]));
        Assert.That(plan.Forward.Steps.Concat(plan.Backward.Steps).Where(step => step is MatrixProductStep { Blocks: not null }), Is.Empty);
        Assert.That(Labels(plan.Forward), Has.Some.StartsWith("Y += "));
        LayerPlan cpu = Plan(DeviceTraits.GenericCpu, 8192, TeraUpdate.Propose(4096, 4096));
        Assert.That(cpu.Forward.Steps.Where(step => step is MatrixProductStep { Blocks: not null }), Is.Empty);
    }

    [Test]
    public void A_float16_factor_does_not_take_an_alpha_that_it_may_not_hold()
    {
        LayerPlan plan = Plan(DeviceTraits.H100, 8192, new LowRankUpdate(4096, 4096, 64, alpha: 64e3), problem => problem with { DType = DType.Float16 });
        Assert.That(plan.Forward.Steps.Where(step => step is MatrixProductStep { Blocks: not null }), Is.Empty);
    }

    [Test]
    public void The_joined_path_is_right(
        [ValueSource(nameof(Joining))] WeightUpdate update, [Values(DType.BFloat16, DType.Float16)] DType dtype)
    {
        bool keep = dtype == DType.Float16;
        using var guarding = new GuardingDevice(new PlanningFor(DeviceUnderTest.Cpu, Hopper));
        var options = new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = keep ? ContractionPolicy.Keep : ContractionPolicy.Recompute };
        VerificationRow[] rows = [.. LayerVerification.Run(guarding, new VerificationCase("joined", update, Tokens, dtype, Bias: true, Exact: false), options)];
        guarding.CheckBands();
        Assert.That(rows.Where(row => !row.Passed).Select(row => row.Report), Is.Empty);
        LayerPlan plan = Plan(Hopper, Tokens, update, problem => problem with { DType = dtype, Contractions = keep ? ContractionPolicy.Keep : ContractionPolicy.Recompute });
        foreach (LayerPass pass in new[] { plan.Forward, plan.Backward })
        {
            Assert.That(pass.Steps.Count(step => step is MatrixProductStep { Blocks: not null }), Is.EqualTo(1), "this is what was verified");
        }
    }

    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    public void Ternary_factors_add_no_rounding(DType dtype)
    {
        // c and α rounded would be the same error in every element, and so in the whole term.
        LayerPlan plan = Plan(Hopper, Tokens, Sparse, problem => problem with { DType = dtype });
        foreach (LayerPass pass in new[] { plan.Forward, plan.Backward })
        {
            (_, KroneckerMatrixStep f, CoreExpansionStep m) = pass.Steps.OfType<BlockOperandsStep>().Single();
            Assert.That(new[] { f.Label, m.Label }, Has.All.EndsWith(" in units"));
            AssertExact(f.Out * f.In, output => f with { Output = output }, dtype);
            AssertExact(m.Rows * m.Columns, output => m with { Output = output, RowScale = null, ColumnScale = null }, dtype);
        }
    }

    [Test]
    public void Sixty_four_updates_are_planned_while_one_waits()
    {
        var problem = new LayerProblem(2048, 4096, 4096, DType.BFloat16) { Updates = [.. Enumerable.Repeat(TeraUpdate.Propose(4096, 4096), 64)] };
        var watch = Stopwatch.StartNew();
        LayerPlan plan = LayerPlanner.Plan(problem, DeviceTraits.H100);
        TestContext.Out.WriteLine($"{watch.ElapsedMilliseconds} ms, {plan.Forward.Steps.Length} steps");
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public void Float16_stays_in_range_where_the_plain_sums_would_not()
    {
        // Tokens and diagonals 32 and 64 times as large: P·V has sums of 256 terms, Z of 16, and their product without powers of two would be beyond 65504.
        LayerData data = LayerData.Normal(Kronecker, Tokens, DType.Float16, bias: false);
        data = data with { X = Times(data.X, 32), OutputGradient = Times(data.OutputGradient, 32), Trained = [.. data.Trained.Select((values, i) => i == 0 ? Times(values, 64) : values)] };
        LayerValues expected = DenseReference.Compute(data);
        LayerValues actual = LayerRunner.Run(new PlanningFor(DeviceUnderTest.Cpu, Hopper), data, new AdaptedLinearOptions { Path = ExecutionPath.Factored }, weights: false);
        foreach (((string name, _, double[] a), (_, _, double[] b)) in actual.Quantities(Kronecker).Zip(expected.Quantities(Kronecker)).Where(pair => pair.First.Values.Length > 0))
        {
            Assert.That(a.Zip(b, (x, y) => Math.Abs(x - y)).Max() / b.Max(Math.Abs), Is.LessThan(0.01), name);
        }
    }

    [Test]
    public void Joined_and_added_terms_agree([ValueSource(nameof(Joining))] WeightUpdate update)
    {
        LayerData data = LayerData.Normal(update, Tokens, DType.BFloat16, bias: true);
        var options = new AdaptedLinearOptions { Path = ExecutionPath.Factored };
        LayerValues joined = LayerRunner.Run(new PlanningFor(DeviceUnderTest.Cpu, Hopper), data, options, weights: false);
        LayerValues added = LayerRunner.Run(DeviceUnderTest.Cpu, data, options, weights: false);
        Assert.That(joined.Y, Is.Not.EqualTo(added.Y), "the one rounds once, the other twice");
        foreach (((string name, _, double[] a), (_, _, double[] b)) in joined.Quantities(update).Zip(added.Quantities(update)).Where(pair => pair.First.Values.Length > 0))
        {
            double largest = b.Max(Math.Abs), difference = a.Zip(b, (x, y) => Math.Abs(x - y)).Max();
            Assert.That(difference / largest, Is.LessThan(0.03), name);
        }
    }

    private static void AssertExact(long count, Func<Operand, Step> step, DType dtype)
    {
        using var run = new StepRunner(DeviceUnderTest.Cpu);
        Operand output = run.Output("output", dtype, count);
        run.Run(step(output));
        double[] expected = run.Expected(output), bounds = Array.ConvertAll(expected, value => (1e-6 * Math.Abs(value)) + 1e-12);
        Assert.That(expected, Has.Some.GreaterThan(1e-3), "these are the numbers that would be rounded");
        Check.That(Comparer.Within("output", run.Read(output), expected, bounds, zerosAreRight: true), run.Description);
    }

    private static LayerPlan Plan(DeviceTraits traits, long tokens, WeightUpdate update, Func<LayerProblem, LayerProblem>? change = null)
    {
        var problem = new LayerProblem(tokens, update.OutFeatures, update.InFeatures, DType.BFloat16) { Update = update, Path = ExecutionPath.Factored };
        return LayerPlanner.Plan(change is null ? problem : change(problem), traits);
    }

    private static double[] Times(double[] values, double factor) => Elements.Round([.. values.Select(value => factor * value)], DType.Float16);

    private static string[] Labels(LayerPass pass) => [.. pass.Steps.Select(step => step.Label)];
}
