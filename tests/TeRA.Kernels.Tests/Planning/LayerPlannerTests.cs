using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Plans by inspection: the path, the steps, the memory, the words. No device runs here.</summary>
internal sealed class LayerPlannerTests
{
    private static readonly ExecutionPath[] Both = [ExecutionPath.Merged, ExecutionPath.Factored];

    private static readonly TeraUpdate Rank512 = TeraUpdate.Propose(4096, 4096);

    [Test]
    public void Full_rank_takes_the_merged_path_and_a_low_rank_the_factored_one_which_joins_the_frozen_product()
    {
        LayerPlan plan = Plan(8192, TeraUpdate.Propose(4096, 4096, rankFraction: 1));
        Assert.That(Plan(2048, Rank512).PathName, Is.EqualTo("factored"));
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Merged));
        Assert.That(plan.Reasons[0], Does.StartWith("merged taken: predicted ").And.Contains(", the shortest"));
        Assert.That(plan.Reasons, Has.Exactly(1).StartsWith("factored rejected: predicted ").And.Exactly(1).StartsWith("merged+factored rejected: ").And.All.Contains("µs"));
    }

    [Test]
    public void One_token_takes_the_factored_path_which_writes_nothing_of_the_weights_size()
    {
        LayerPlan plan = Plan(1, Rank512, problem => problem with { NeedInputGradient = false, NeedParameterGradients = false });
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Factored));
        Assert.That(plan.ForwardBuffers.Where(buffer => buffer.Role is BufferRole.Scratch or BufferRole.Kept).Max(buffer => buffer.Count), Is.LessThanOrEqualTo(4096 * 4096 / 32));
        Assert.That(plan.BackwardBuffers, Has.Length.EqualTo(1));
    }

    [Test]
    public void A_forced_path_is_taken_and_said()
    {
        LayerPlan plan = Plan(8192, Rank512, problem => problem with { Path = ExecutionPath.Factored });
        Assert.That(plan.Path, Is.EqualTo(ExecutionPath.Factored));
        Assert.That(plan.Reasons[0], Does.StartWith("factored taken: ").And.EndsWith("the options ask for it"));
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
            "d = tera_row.0⊗tera_row.1⊗tera_row.2, e = tera_col.0⊗tera_col.1⊗tera_col.2, C₁∘e, 2^-3·(C₂⊗C₃)∘e, A₁∘d, 2^-3·(A₂⊗A₃)∘d",
            "G in bfloat16", "Tᵀ = 2^-4·V·(G∘e)ᵀ", "W = W0 + α·2^4·U·(d∘T)", "Y = X·Wᵀ + b",
        }));
        Assert.That(Labels(plan.Backward), Is.EqualTo(new[]
        {
            "G in bfloat16", "Tᵀ = 2^-4·V·(G∘e)ᵀ", "W = W0 + α·2^4·U·(d∘T)", "dX = dY·W", "Q = 2^-6·dY·U", "P = 2^-6·X·V",
            "g_d, g_e = α·2^12·(Qᵀ·P∘G) against e, d",
            "gradients of tera_row.0, tera_row.1, tera_row.2, tera_col.0, tera_col.1, tera_col.2 += marginals of g_d, g_e",
        }));
    }

    [Test]
    public void The_factored_tera_plan_has_these_steps_where_the_blocks_are_too_narrow_to_join()
    {
        var update = new TeraUpdate([16, 8, 8], [8, 8, 8], [16, 8, 8], [8, 8, 8]);
        LayerPlan plan = LayerPlanner.Plan(new LayerProblem(256, 1024, 1024, DType.BFloat16) { Update = update, Path = ExecutionPath.Factored }, DeviceTraits.H100);
        Assert.That(Labels(plan.Forward)[2..], Is.EqualTo(new[] { "P = 2^-5·X·V", "Z = 2^-4·(P∘e)·Gᵀ", "Y += α·2^9·(Z∘d)·Uᵀ" }));
        Assert.That(Labels(plan.Backward)[..4], Is.EqualTo(new[] { "dX = dY·W0", "Q = 2^-5·dY·U", "dP = 2^-4·(Q∘d)·G", "dX += α·2^9·(dP∘e)·Vᵀ" }));
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

    [TestCase(ExecutionPath.Merged, ExecutionPath.Factored, "G in", "Q =")]
    [TestCase(ExecutionPath.Factored, ExecutionPath.Merged, "P =", "G in")]
    public void Backward_takes_another_path_where_that_is_asked_for(ExecutionPath forward, ExecutionPath backward, string first, string firstBackward)
    {
        LayerPlan plan = Plan(8192, Rank512, problem => problem with { Path = forward, BackwardPath = backward });
        Assert.That((plan.Path, plan.BackwardPath, plan.PathName), Is.EqualTo((forward, backward, $"{forward}+{backward}".ToLowerInvariant())));
        Assert.That(Labels(plan.Forward)[..2], Has.Some.StartsWith(first));
        Assert.That(Labels(plan.Backward)[0], Does.StartWith(firstBackward));
        Assert.That(Labels(plan.Backward).Count(label => label.StartsWith("P =", StringComparison.Ordinal)), Is.EqualTo(forward == ExecutionPath.Merged ? 1 : 0), "kept where forward has it");
        Assert.That(plan.Explain(), Does.Contain($"{plan.PathName} path").And.Contain("merged not asked for"));
    }

    [Test]
    public void The_shortest_step_is_taken_or_one_as_short_with_a_shorter_forward()
    {
        foreach (long tokens in new long[] { 512, 2048, 4096, 8192, 16384 })
        {
            LayerPlan taken = Plan(tokens, Rank512);
            LayerPlan[] all = [.. from forward in Both from backward in Both select Plan(tokens, Rank512, problem => problem with { Path = forward, BackwardPath = backward })];
            double shortest = all.Min(plan => plan.Seconds);
            Assert.That(taken.Seconds, Is.LessThanOrEqualTo(1.02 * shortest));
            Assert.That(all.Where(plan => plan.Seconds <= 1.02 * shortest).Min(plan => plan.ForwardSeconds), Is.EqualTo(taken.ForwardSeconds));
        }
    }

    [Test]
    public void Narrow_contractions_are_kept_and_wide_ones_where_asked_for()
    {
        foreach ((ContractionPolicy policy, bool narrow, bool wide) in new[] { (ContractionPolicy.KeepNarrow, true, false), (ContractionPolicy.Keep, true, true), (ContractionPolicy.Recompute, false, false) })
        {
            foreach ((long rank, bool kept) in new[] { (16L, narrow), (1024, narrow), (1025, wide) })
            {
                LayerPlan plan = Plan(2048, new LowRankUpdate(4096, 4096, rank), problem => problem with { Path = ExecutionPath.Factored, Contractions = policy });
                Assert.That(plan.Kept.Any(buffer => buffer.Name == "P"), Is.EqualTo(kept), $"{policy}, rank {rank}");
                Assert.That(plan.Kept.Any(buffer => buffer.Name == "Left"), Is.EqualTo(kept && rank <= 1024), "copies only where they are narrow");
                Assert.That(plan.Backward.Steps.OfType<ConvertStep>().Count(), Is.EqualTo(kept && rank <= 1024 ? 0 : 2));
            }
        }
    }

    [Test]
    public void Rebuilding_keeps_two_short_vectors_and_keeping_keeps_the_weight()
    {
        Assert.That(Plan(8192, Rank512, problem => problem with { Path = ExecutionPath.Merged }).Kept.Select(buffer => (buffer.Name, buffer.Count)), Is.EqualTo(new[] { ("d", 512L), ("e", 512L) }));
        LayerPlan kept = Plan(8192, Rank512, problem => problem with { WeightPolicy = WeightPolicy.Keep, Path = ExecutionPath.Merged });
        Assert.That(kept.KeptBytes, Is.EqualTo((2 * 4096 * 4096) + (2 * 4 * 512)));
        Assert.That(Labels(kept.Backward)[^1], Is.EqualTo("dX = dY·W"), "after the gradients, whose scratch lies in dX until then");
        Assert.That(Labels(kept.Backward), Has.None.StartsWith("W = "));
    }

    [Test]
    public void A_context_holds_what_backward_reads_and_nothing_else(
        [Values] WeightPolicy policy, [ValueSource(nameof(Both))] ExecutionPath path, [ValueSource(nameof(Both))] ExecutionPath backward, [Values] ContractionPolicy contractions, [Values] bool inputGradient)
    {
        foreach (WeightUpdate update in Updates())
        {
            LayerPlan plan = Plan(3, update, problem => problem with
            {
                WeightPolicy = policy, Path = path, BackwardPath = backward, Contractions = contractions, NeedInputGradient = inputGradient,
            });
            AssertHolds(plan, plan.Kept.Length);

            // A backward that is asked for dX against what forward was told makes do with what forward kept.
            AssertHolds(LayerPlanner.WithInputGradient(plan, !inputGradient), null);
        }
    }

    [Test]
    public void Scratch_of_a_step_is_the_weight()
    {
        LayerPlan plan = Plan(2048, Rank512, problem => problem with { Path = ExecutionPath.Merged });
        Assert.That(plan.ScratchBytes, Is.EqualTo(2L * 4096 * 4096), "T and the core lie in Y and dX until these are written");
    }

    [Test]
    public void Every_slot_of_every_step_is_in_the_table_and_no_scratch_overlaps_while_alive(
        [Values] DType dtype, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values] bool keep)
    {
        foreach (WeightUpdate update in Updates())
        {
            LayerPlan plan = Plan(3, update, problem => problem with
            {
                DType = dtype, Path = path, Contractions = keep ? ContractionPolicy.Keep : ContractionPolicy.Recompute, TrainBias = true, HasBias = true, WeightPolicy = keep ? WeightPolicy.Keep : WeightPolicy.Rebuild,
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
        Assert.That(text, Does.Contain("memory: scratch 32 MiB, shared by all layers; kept for backward 4 KiB (d, e)"));
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

    private static void AssertHolds(LayerPlan plan, int? count)
    {
        PlanBuffer[] read = [.. plan.BackwardBuffers.Where(buffer => buffer.Role == BufferRole.Kept)];
        Assert.That(read.Select(buffer => (buffer.Name, buffer.Count, buffer.Offset)), Is.SubsetOf(plan.Kept.Select(buffer => (buffer.Name, buffer.Count, buffer.Offset))), plan.Problem.Update!.Method);
        Assert.That(read, Has.Length.EqualTo(count ?? read.Length), plan.Problem.Update.Method);
        Assert.That(plan.ForwardBuffers.Count(buffer => buffer.Role == BufferRole.Kept), Is.EqualTo(plan.Kept.Length));
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
        Assert.That(ScratchPlaces.Problems(pass), Is.Empty);
    }
}
