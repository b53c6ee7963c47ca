using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Plans by inspection: the path, the steps, the memory, the words. No device runs here.</summary>
internal sealed class LayerPlannerTests
{
    private static readonly TeraUpdate Rank512 = TeraUpdate.Propose(4096, 4096);

    [Test]
    public void Full_rank_takes_the_merged_path_and_a_low_rank_the_factored_one_which_joins_the_frozen_product()
    {
        LayerPlan plan = Plan(8192, TeraUpdate.Propose(4096, 4096, rankFraction: 1));
        Assert.That(Plan(8192, Rank512).Path, Is.EqualTo(ExecutionPath.Factored));
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Merged));
        Assert.That(plan.Reasons[0], Does.StartWith("merged taken: predicted ").And.Contains("the shorter of the two"));
        Assert.That(plan.Reasons[1], Does.StartWith("factored rejected: predicted ").And.Contains(", of it "));
    }

    [Test]
    public void One_token_takes_the_factored_path_which_writes_nothing_of_the_weights_size()
    {
        LayerPlan plan = Plan(1, Rank512, problem => problem with { NeedInputGradient = false, NeedParameterGradients = false });
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Factored));
        Assert.That(plan.ForwardBuffers.Where(buffer => buffer.Role is BufferRole.Scratch or BufferRole.Kept).Max(buffer => buffer.Count), Is.LessThanOrEqualTo(4096));
        Assert.That(plan.BackwardBuffers, Has.Length.EqualTo(1));
    }

    [Test]
    public void A_forced_path_is_taken_and_said()
    {
        LayerPlan plan = Plan(8192, Rank512, problem => problem with { Path = ExecutionPath.Factored });
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Factored));
        Assert.That(plan.Reasons[0], Does.StartWith("factored taken because the options ask for it"));
        Assert.That(plan.Reasons[1], Does.StartWith("merged not asked for"));
    }

    [Test]
    public void No_tokens_need_no_steps()
    {
        LayerPlan plan = Plan(0, Rank512);
        Assert.That(plan.Forward.Steps.Concat(plan.Backward.Steps), Is.Empty);
        Assert.That(plan.Explain(), Does.Contain("there are no tokens"));
    }

    [Test]
    public void The_merged_tera_plan_has_these_steps()
    {
        LayerPlan plan = Plan(8192, Rank512, problem => problem with { HasBias = true, Path = ExecutionPath.Merged });
        Assert.That(Labels(plan.Forward), Is.EqualTo(new[]
        {
            "d = tera_row.0⊗tera_row.1⊗tera_row.2, e = tera_col.0⊗tera_col.1⊗tera_col.2",
            "Tᵀ = 2^-4·V·(G∘e)ᵀ", "W = W0 + α·2^4·U·(d∘T)", "Y = X·Wᵀ + b",
        }));
        Assert.That(Labels(plan.Backward), Is.EqualTo(new[]
        {
            "Tᵀ = 2^-4·V·(G∘e)ᵀ", "W = W0 + α·2^4·U·(d∘T)", "dX = dY·W", "Q = 2^-6·dY·U", "P = 2^-6·X·V",
            "g_d, g_e = α·2^12·(Qᵀ·P∘G) against e, d",
            "gradients of tera_row.0, tera_row.1, tera_row.2, tera_col.0, tera_col.1, tera_col.2 += marginals of g_d, g_e",
        }));
    }

    [Test]
    public void The_factored_tera_plan_has_these_steps()
    {
        LayerPlan plan = Plan(4, Rank512, problem => problem with { Path = ExecutionPath.Factored });
        Assert.That(Labels(plan.Forward)[2..], Is.EqualTo(new[] { "P = 2^-6·X·V", "Z = 2^-4·(P∘e)·Gᵀ", "Y += α·2^10·(Z∘d)·Uᵀ" }));
        Assert.That(Labels(plan.Backward)[..4], Is.EqualTo(new[] { "dX = dY·W0", "Q = 2^-6·dY·U", "dP = 2^-4·(Q∘d)·G", "dX += α·2^10·(dP∘e)·Vᵀ" }));
    }

    [TestCase(16, 4, 64, "T = 2^-2·U·(d∘G)", Description = "N·S smaller than R·K")]
    [TestCase(4, 16, 64, "T = 2^-2·(G∘e)·Vᵀ", Description = "R·K smaller than N·S")]
    public void The_shorter_side_of_the_core_is_expanded_first(long rowRank, long columnRank, long features, string expected)
    {
        var update = new TeraUpdate([features], [rowRank], [features], [columnRank]);
        LayerPlan plan = Plan(8192, update, problem => problem with { Path = ExecutionPath.Merged });
        string label = Labels(plan.Forward).Single(step => step.StartsWith("T =", StringComparison.Ordinal));
        Assert.That(label[label.LastIndexOf('·')..], Is.EqualTo(expected[expected.LastIndexOf('·')..]));
    }

    [Test]
    public void Rebuilding_keeps_two_short_vectors_and_keeping_keeps_the_weight()
    {
        Assert.That(Plan(8192, Rank512).Kept.Select(buffer => (buffer.Name, buffer.Count)), Is.EqualTo(new[] { ("d", 512L), ("e", 512L) }));
        LayerPlan kept = Plan(8192, Rank512, problem => problem with { WeightPolicy = WeightPolicy.Keep, Path = ExecutionPath.Merged });
        Assert.That(kept.KeptBytes, Is.EqualTo((2 * 4096 * 4096) + (2 * 4 * 512)));
        Assert.That(Labels(kept.Backward)[0], Is.EqualTo("dX = dY·W"));
    }

    [Test]
    public void What_a_context_holds_does_not_depend_on_whether_dX_is_wanted(
        [Values] WeightPolicy policy, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values] bool keep)
    {
        foreach (WeightUpdate update in Updates())
        {
            LayerPlan with = Plan(3, update, problem => problem with { WeightPolicy = policy, Path = path, KeepContractions = keep });
            LayerPlan without = Plan(3, update, problem => problem with { WeightPolicy = policy, Path = path, KeepContractions = keep, NeedInputGradient = false });
            Assert.That(without.Kept, Is.EqualTo(with.Kept), update.Method);
            Assert.That(with.Kept.Any(buffer => buffer.Name == "P"), Is.EqualTo(keep && path == ExecutionPath.Factored && update is not FullUpdate), update.Method);
        }
    }

    [Test]
    public void Scratch_of_a_step_is_the_weight_and_one_intermediate()
    {
        LayerPlan plan = Plan(2048, Rank512, problem => problem with { Path = ExecutionPath.Merged });
        long weight = 2L * 4096 * 4096, intermediate = 2L * 512 * 4096;
        Assert.That(plan.ScratchBytes, Is.LessThanOrEqualTo(weight + intermediate + (4 * ScratchLayout.Alignment)));
    }

    [Test]
    public void Every_slot_of_every_step_is_in_the_table_and_no_scratch_overlaps_while_alive(
        [Values] DType dtype, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values] bool keep)
    {
        foreach (WeightUpdate update in Updates())
        {
            LayerPlan plan = Plan(3, update, problem => problem with
            {
                DType = dtype, Path = path, KeepContractions = keep, TrainBias = true, HasBias = true, WeightPolicy = keep ? WeightPolicy.Keep : WeightPolicy.Rebuild,
            });
            CheckPass(plan.Forward);
            CheckPass(plan.Backward);
        }
    }

    [Test]
    public void Sixteen_bit_activations_get_converted_operands_and_float32_gradients()
    {
        LayerPlan plan = Plan(64, new LowRankUpdate(32, 16, 4), problem => problem with { Path = ExecutionPath.Factored });
        Assert.That(Labels(plan.Forward), Does.Contain("Right = lora_A.weight in bfloat16").And.Contains("Left = lora_B.weight in bfloat16"));
        Assert.That(plan.BackwardBuffers.Where(buffer => buffer.Role == BufferRole.ParameterGradient).Select(buffer => buffer.DType), Is.EqualTo(new[] { DType.Float32, DType.Float32 }));
        LayerPlan single = Plan(64, new LowRankUpdate(32, 16, 4), problem => problem with { DType = DType.Float32, Path = ExecutionPath.Factored });
        Assert.That(single.Forward.Steps.OfType<ConvertStep>(), Is.Empty);
    }

    [Test]
    public void Explain_says_path_reason_steps_and_memory()
    {
        string text = Plan(8192, Rank512, problem => problem with { Path = ExecutionPath.Merged }).Explain();
        Assert.That(text, Does.StartWith("tera 4096×4096, 8192 tokens, bfloat16, cuda sm_90: merged path"));
        Assert.That(text, Does.Contain("trained numbers 48, rank of ΔW at most 512"));
        Assert.That(text, Does.Contain("Y = X·Wᵀ").And.Contain("forward: predicted ").And.Contain("backward: predicted "));
        Assert.That(text, Does.Contain("memory: scratch 36 MiB, shared by all layers; kept for backward 4 KiB (d, e)"));
    }

    [Test]
    public void A_device_adds_its_kernels_and_launches()
    {
        using var device = new CpuDevice(threads: 1);
        using Tensor weight = device.Allocate(DType.Float32, 64, 64);
        using var layer = new AdaptedLinear(device, weight, null, TeraUpdate.Propose(64, 64));
        LayerPlan plan = layer.Plan(32);
        TestContext.Out.WriteLine(plan.Explain());
        Assert.That(plan.ForwardKernels, Has.Length.EqualTo(plan.Forward.Steps.Length).And.All.Not.Empty);
        Assert.That((plan.ForwardLaunches, plan.BackwardLaunches), Is.EqualTo((0, 0)), "the CPU launches nothing");
        Assert.That(layer.Explain(32), Does.Contain($"[{plan.ForwardKernels[0]}]").And.StartsWith("tera 64×64, 32 tokens, float32, cpu, 1 thread:"));
    }

    [Test]
    public void Predictions_are_near_the_measured_frozen_layer()
    {
        LayerPlan plan = Plan(8192, null);
        Assert.That(plan.ForwardSeconds, Is.EqualTo(0.366e-3).Within(10).Percent, "0.366 ms was measured on an H100");
    }

    [Test]
    public void Contradictions_are_refused_in_words()
    {
        Assert.That(() => LayerPlanner.Plan(new LayerProblem(1, 8, 6, DType.Float32) { Update = new FullUpdate(6, 8) }, DeviceTraits.H100),
            Throws.ArgumentException.With.Message.Contains("is 6×8, the layer is 8×6"));
        Assert.That(() => LayerPlanner.Plan(new LayerProblem(-1, 8, 6, DType.Float32), DeviceTraits.H100), Throws.ArgumentException.With.Message.Contains("-1 tokens"));
        Assert.That(() => LayerPlanner.Plan(new LayerProblem(1, 8, 6, DType.Float32) { Update = new FullUpdate(8, 6), Path = ExecutionPath.Plain }, DeviceTraits.H100),
            Throws.ArgumentException.With.Message.Contains("for layers without an update"));
    }

    private static IEnumerable<WeightUpdate> Updates() =>
    [
        new TeraUpdate([2, 3], [4, 2], [5], [3]),
        new LowRankUpdate(6, 5, 3),
        new LotrUpdate(6, 5, 3),
        new LotrUpdate(6, 5, 3, LotrSides.Trained),
        new VeraUpdate(6, 5, 3),
        new RandLoraUpdate(6, 5, 2, RandLoraPairing.Paper),
        new RandLoraUpdate(6, 5, 2, RandLoraPairing.Peft, FrozenBases.Given(DType.BFloat16, [2, 1, 7], [8, 4, 2])),
        new FullUpdate(6, 5),
    ];

    private static LayerPlan Plan(long tokens, WeightUpdate? update, Func<LayerProblem, LayerProblem>? change = null)
    {
        var problem = new LayerProblem(tokens, update?.OutFeatures ?? 4096, update?.InFeatures ?? 4096, DType.BFloat16) { Update = update };
        return LayerPlanner.Plan(change is null ? problem : change(problem), DeviceTraits.H100);
    }

    private static string[] Labels(LayerPass pass) => [.. pass.Steps.Select(step => step.Label)];

    private static void CheckPass(LayerPass pass)
    {
        int[][] touched = [.. pass.Steps.Select(step => StepSlots.Of(step).ToArray())];
        Assert.That(touched.SelectMany(slots => slots), Is.All.InRange(1, pass.Buffers.Length - 1));
        Assert.That(pass.Buffers.Select(buffer => buffer.Slot), Is.EqualTo(Enumerable.Range(0, pass.Buffers.Length)));
        PlanBuffer[] scratch = [.. pass.Buffers.Where(buffer => buffer.Role == BufferRole.Scratch)];
        foreach (PlanBuffer a in scratch)
        {
            foreach (PlanBuffer b in scratch.Where(b => b.Slot < a.Slot && Alive(touched, a).Intersect(Alive(touched, b)).Any()))
            {
                Assert.That(a.Offset + a.ByteCount <= b.Offset || b.Offset + b.ByteCount <= a.Offset, $"{a.Name} and {b.Name} overlap");
            }
        }
    }

    private static IEnumerable<int> Alive(int[][] touched, PlanBuffer buffer)
    {
        int first = Array.FindIndex(touched, slots => slots.Contains(buffer.Slot)), last = Array.FindLastIndex(touched, slots => slots.Contains(buffer.Slot));
        return Enumerable.Range(first, last - first + 1);
    }
}
