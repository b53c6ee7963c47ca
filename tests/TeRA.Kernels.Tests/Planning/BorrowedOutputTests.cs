using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Scratch in the memory of the pass's own output: when, how much, and never while the output is in use.</summary>
internal sealed class BorrowedOutputTests
{
    /// <summary>One N×K of the layer that the benchmarks measure.</summary>
    public const long Matrix = 2L * 4096 * 4096;

    /// <summary>What its full rank takes beside: the vectors d, e, g_d and g_e, each in float32, what alignment costs, and the factors of four products.</summary>
    public const long Short = (4 * 4 * 4096) + (4 * 2 * ((256 * 256) + 256));

    private static readonly TeraUpdate Full = new([16, 16, 16], [16, 16, 16], [16, 16, 16], [16, 16, 16]);
    private static readonly TeraUpdate Rank512 = new([16, 16, 16], [8, 8, 8], [16, 16, 16], [8, 8, 8]);
    private static readonly DeviceTraits SlowHopper = DeviceTraits.H100 with { HalfOperationsPerSecond = 1e9, SingleOperationsPerSecond = 1e11 };

    [TestCase(8192)]
    [TestCase(4160)]
    [TestCase(4096)]
    public void Full_rank_takes_one_matrix_of_scratch(long tokens)
    {
        LayerPlan plan = Plan(Full, tokens);
        Assert.That((plan.Path, plan.BackwardPath), Is.EqualTo((ExecutionPath.Merged, ExecutionPath.Merged)));
        Assert.That(plan.Forward.ScratchBytes, Is.InRange(Matrix, Matrix + Short));
        Assert.That(plan.Backward.ScratchBytes, Is.InRange(Matrix, Matrix + Short));
        Assert.That(plan.UnalignedScratchBytes, Is.EqualTo(tokens % 4096 == 0 ? plan.ScratchBytes + Matrix : plan.ScratchBytes).Within(Short), "no byte is left of Y and dX at 4096 tokens, none of dX at 8192");
        Assert.That(ScratchPlaces.Problems(plan.Forward).Concat(ScratchPlaces.Problems(plan.Backward)), Is.Empty);
    }

    [Test]
    public void An_output_that_is_too_small_lends_nothing_large()
    {
        LayerPlan plan = Plan(Full, 4095);
        Assert.That(plan.Forward.ScratchBytes, Is.InRange(2 * Matrix, (2 * Matrix) + Short));
        Assert.That(plan.Backward.ScratchBytes, Is.InRange(2 * Matrix, (2 * Matrix) + Short));
    }

    [Test]
    public void Without_an_output_there_is_nothing_to_borrow()
    {
        LayerPlan plan = Plan(Full, 8192, problem => problem with { NeedInputGradient = false });
        Assert.That(plan.Backward.Buffers.Where(buffer => buffer.Host is not null), Is.Empty);
        Assert.That(plan.Backward.ScratchBytes, Is.InRange(2 * Matrix, (2 * Matrix) + Short), "dW and dT");
    }

    [Test]
    public void A_kept_weight_stays_in_the_context()
    {
        LayerPlan plan = Plan(Full, 8192, problem => problem with { WeightPolicy = WeightPolicy.Keep });
        Assert.That(plan.ForwardBuffers.Single(buffer => buffer.Name == "W"), Has.Property(nameof(PlanBuffer.Role)).EqualTo(BufferRole.Kept).And.Property(nameof(PlanBuffer.Host)).Null);
        Assert.That(plan.ScratchBytes, Is.LessThanOrEqualTo(Short), "two of G and T, dW and dT fit into Y and dX at a time");
    }

    [Test]
    public void A_merge_borrows_from_the_weight_that_it_writes()
    {
        LayerPass pass = LayerPlanner.Build(Problem(Full, 1), DeviceTraits.H100, withBase: true);
        Assert.That(pass.Buffers.Single(buffer => buffer.Host is not null).Name, Is.EqualTo("G"), "T is read while W is written");
        Assert.That(pass.ScratchBytes, Is.InRange(Matrix, Matrix + Short));
        Assert.That(pass.UnalignedScratchBytes, Is.InRange(2 * Matrix, (2 * Matrix) + Short));
        Assert.That(ScratchPlaces.Problems(pass), Is.Empty);
    }

    [Test]
    public void A_low_rank_takes_no_more_than_the_weight()
    {
        foreach (long tokens in new long[] { 2048, 8192 })
        {
            LayerPlan plan = Plan(Rank512, tokens, problem => problem with { Path = ExecutionPath.Merged });
            Assert.That(plan.ScratchBytes, Is.EqualTo(Matrix), "T, of 4 MiB, lies in Y and dX");
        }
    }

    [Test]
    public void Places_are_said_in_words()
    {
        string text = Plan(Full, 8192).Explain();
        Assert.That(text, Does.Contain("  forward: W 32 MiB, G 32 MiB in the scratch; C₁∘e 512 B, (C₂⊗C₃)∘e 128 KiB, A₁∘d 512 B, (A₂⊗A₃)∘d 128 KiB, T 32 MiB in Y until it is written"));
        Assert.That(text, Does.Contain("dW 32 MiB, dT 32 MiB, T 32 MiB in dX until it is written").And.Contain("scratch 64.3 MiB where Y or dX starts at no multiple of 256 bytes"));
        Assert.That(Plan(Full, 8191).Explain(), Does.Not.Contain("starts at no multiple"));
    }

    [Test]
    public void No_scratch_overlaps_while_alive_in_any_plan()
    {
        int borrowing = 0, split = 0;
        Prop.ForAll(Problems().ToArbitrary(), entry =>
        {
            LayerPlan plan = LayerPlanner.Plan(entry.Problem, entry.Traits);
            LayerPass[] passes = [plan.Forward, plan.Backward, LayerPlanner.Build(entry.Problem, entry.Traits, withBase: true), LayerPlanner.Build(entry.Problem, entry.Traits, withBase: false)];
            borrowing += passes.Count(pass => pass.Buffers.Any(buffer => buffer.Host is not null));
            split += passes.Count(pass => pass.Unaligned is not null);
            return passes.SelectMany(ScratchPlaces.Problems).FirstOrDefault() is null;
        }).QuickCheckThrowOnFailure();
        Assert.That((borrowing, split), Is.GreaterThan((50, 0)), "or nothing is tested");
    }

    [Test]
    public void A_buffer_that_the_writing_step_reads_is_found_in_the_output()
    {
        // W is read by the step that writes Y.
        LayerPass pass = Plan(Full, 8192).Forward;
        int output = pass.Buffers.Single(buffer => buffer.Role == BufferRole.Output).Slot;
        LayerPass wrong = pass with { Buffers = [.. pass.Buffers.Select(buffer => buffer.Name == "W" ? buffer with { Host = output } : buffer)] };
        Assert.That(ScratchPlaces.Problems(wrong), Has.Some.EqualTo("W: alive when Y is written"));
    }

    [Test]
    public void Divided_buffers_never_overlap_and_take_no_more_than_undivided_ones() => Prop.ForAll(Divisions().ToArbitrary(), entry =>
    {
        BorrowedOutput.Placement placement = entry.Output.Place(entry.Requests);
        return !Contradicts(entry.Requests, entry.Output, placement) && placement.ArenaBytes <= ScratchLayout.Place(entry.Requests).Total;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void A_step_too_late_is_caught()
    {
        int caught = 0;
        Prop.ForAll(Divisions().ToArbitrary(), entry =>
        {
            BorrowedOutput.Placement placement = (entry.Output with { Touched = entry.Output.Touched + 1 }).Place(entry.Requests);
            caught += Contradicts(entry.Requests, entry.Output, placement) ? 1 : 0;
            return true;
        }).QuickCheckThrowOnFailure();
        Assert.That(caught, Is.GreaterThan(5));
    }

    [Test]
    public void The_arena_is_preferred_where_nothing_is_gained()
    {
        BorrowedOutput.Placement placement = new BorrowedOutput(4096, 2).Place([new(1024, 0, 1), new(1024, 2, 3)]);
        Assert.That(placement.Places.Select(place => place.InOutput), Is.All.False);
        Assert.That((placement.ArenaBytes, placement.BorrowedBytes), Is.EqualTo((1024L, 0L)));
    }

    private static bool Contradicts(ScratchLayout.Request[] requests, BorrowedOutput output, BorrowedOutput.Placement placement)
    {
        BorrowedOutput.Location[] places = placement.Places;
        bool outside = requests.Zip(places).Any(entry => entry.Second.InOutput
            ? entry.Second.Offset + entry.First.Bytes > output.Bytes || entry.First.Last >= output.Touched
            : entry.Second.Offset + entry.First.Bytes > placement.ArenaBytes);
        return outside || Enumerable.Range(0, requests.Length).Any(a => Enumerable.Range(0, a).Any(b =>
            places[a].InOutput == places[b].InOutput
            && requests[a].First <= requests[b].Last && requests[b].First <= requests[a].Last
            && places[a].Offset < places[b].Offset + requests[b].Bytes && places[b].Offset < places[a].Offset + requests[a].Bytes));
    }

    private static Gen<(ScratchLayout.Request[] Requests, BorrowedOutput Output)> Divisions() =>
        from requests in (from bytes in Gen.Choose(0, 2000) from first in Gen.Choose(0, 8) from length in Gen.Choose(0, 5) select new ScratchLayout.Request(bytes, first, first + length)).ArrayOf()
        from bytes in Gen.Choose(-256, 6000)
        from touched in Gen.Choose(0, 12)
        select (requests, new BorrowedOutput(bytes, touched));

    private static Gen<(LayerProblem Problem, DeviceTraits Traits)> Problems() =>
        from update in Gen.Elements<WeightUpdate>(
            new TeraUpdate([4, 4], [6, 7], [3, 5], [5, 8]), new TeraUpdate([2, 3], [4, 2], [5], [3]), new TeraUpdate([16, 16], [16, 16], [16, 16], [16, 16]),
            new TeraUpdate([4, 64], [8, 64], [4, 64], [8, 64]), Full, Rank512, new LowRankUpdate(64, 48, 8), new LotrUpdate(48, 64, 16, LotrSides.Trained), new VeraUpdate(33, 20, 6), new RandLoraUpdate(20, 33, 3, RandLoraPairing.Paper), new FullUpdate(16, 16))
        from other in Gen.Elements(0, 0, 1)
        from tokens in Gen.OneOf(Gen.Choose(1, 600), Gen.Elements(15, 16, 256, 2048, 4096, 8192))
        from dtype in Gen.Elements(DType.BFloat16, DType.Float16, DType.Float32)
        from path in Gen.Elements(ExecutionPath.Auto, ExecutionPath.Merged, ExecutionPath.Factored)
        from backward in Gen.Elements<ExecutionPath?>(null, ExecutionPath.Merged, ExecutionPath.Factored)
        from policy in Gen.Elements(Enum.GetValues<WeightPolicy>())
        from contractions in Gen.Elements(Enum.GetValues<ContractionPolicy>())
        from needs in Gen.Elements((true, true), (true, true), (true, false), (false, true), (false, false))
        from bias in Gen.Elements(true, false)
        from traits in Gen.Elements(DeviceTraits.H100, SlowHopper, DeviceTraits.GenericCpu)
        select (new LayerProblem(tokens, update.OutFeatures, update.InFeatures, dtype)
        {
            Updates = other == 0 ? [update] : [update, new LowRankUpdate(update.OutFeatures, update.InFeatures, 2)],
            HasBias = bias, TrainBias = bias, Path = path, BackwardPath = backward, WeightPolicy = policy, Contractions = contractions, NeedInputGradient = needs.Item1, NeedParameterGradients = needs.Item2,
        }, traits);

    private static LayerProblem Problem(WeightUpdate update, long tokens) => new(tokens, update.OutFeatures, update.InFeatures, DType.BFloat16) { Update = update };

    private static LayerPlan Plan(WeightUpdate update, long tokens, Func<LayerProblem, LayerProblem>? change = null)
    {
        LayerProblem problem = Problem(update, tokens);
        return LayerPlanner.Plan(change is null ? problem : change(problem), DeviceTraits.H100);
    }
}
