using System.Collections.Immutable;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>An update of any three operators: what the rules must serve beyond the methods that exist.</summary>
internal sealed record AnyUpdate(UpdateOperator LeftSide, UpdateOperator Middle, UpdateOperator RightSide, ImmutableArray<TrainedTensor> Tensors) : WeightUpdate
{
    public override string Method => "any";

    public override UpdateOperator Left => LeftSide;

    public override UpdateOperator Core => Middle;

    public override UpdateOperator Right => RightSide;

    public override float Alpha => 0.5f;

    public override ImmutableArray<TrainedTensor> Trained => Tensors;

    public override long RankBound => Math.Min(OutFeatures, InFeatures);
}

/// <summary>One layer to test: an update with its options.</summary>
internal sealed record LayerCase(string Name, WeightUpdate? Update, long OutFeatures, long InFeatures, AdaptedLinearOptions Options, bool Bias)
{
    private static readonly RandomSource Source = new(7, Distribution.Normal);

    /// <summary>Every kind of update, small and awkward.</summary>
    public static IEnumerable<(string Name, WeightUpdate? Update, long N, long K)> Updates()
    {
        yield return ("tera 2·3 × 5", new TeraUpdate([2, 3], [2, 2], [5], [3], seed: 1), 6, 5);
        yield return ("tera p=1 q=4, ranks above modes", new TeraUpdate([3], [5], [2, 1, 3, 2], [3, 2, 1, 2], seed: 2, Distribution.Uniform), 3, 12);
        yield return ("tera wide core", new TeraUpdate([7], [2], [2, 2], [2, 3], seed: 3, Distribution.Rademacher, scale: 2), 7, 4);
        yield return ("lora", new LowRankUpdate(5, 4, 2, alpha: 3), 5, 4);
        yield return ("lora above full rank", new LowRankUpdate(3, 2, 5), 3, 2);
        yield return ("lotr", new LotrUpdate(5, 7, 3, seed: 4), 5, 7);
        yield return ("lotr with trained sides", new LotrUpdate(4, 6, 2, LotrSides.Trained, seed: 5), 4, 6);
        yield return ("vera", new VeraUpdate(6, 5, 3, FrozenBases.Generated(6, Distribution.Uniform)), 6, 5);
        yield return ("randlora tall, the paper's pairing", new RandLoraUpdate(7, 5, 2, RandLoraPairing.Paper, FrozenBases.Generated(7), alpha: 3), 7, 5);
        yield return ("randlora wide, PEFT's pairing", new RandLoraUpdate(4, 6, 3, RandLoraPairing.Peft, FrozenBases.Generated(8), alpha: 3), 4, 6);
        yield return ("full", new FullUpdate(4, 3), 4, 3);
        yield return ("three trained matrices", Three(), 5, 4);
        yield return ("random left, trained right", new AnyUpdate(
            new RandomOperator(5, 3, Source, 2), new IdentityOperator(3), new TrainedOperator(3, 4, 0), [new("right", [3, 4], new TrainedStart(0))]), 5, 4);
        yield return ("trained left, random core, identity right", new AnyUpdate(
            new TrainedOperator(5, 3, 0), new RandomOperator(3, 4, Source, 2), new IdentityOperator(4), [new("left", [5, 3], new TrainedStart(0))]), 5, 4);
        yield return ("1×1", new TeraUpdate([1], [1], [1], [1]), 1, 1);
        yield return ("frozen", null, 4, 3);
    }

    /// <summary>Every update with every path, with what is kept or not.</summary>
    public static IEnumerable<LayerCase> All() =>
        from update in Updates()
        from options in new[]
        {
            new AdaptedLinearOptions { Path = ExecutionPath.Merged },
            new AdaptedLinearOptions { Path = ExecutionPath.Merged, WeightPolicy = WeightPolicy.Keep, TrainBias = true },
            new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Recompute, TrainBias = true },
            new AdaptedLinearOptions { Path = ExecutionPath.Merged, BackwardPath = ExecutionPath.Factored },
            new AdaptedLinearOptions { Path = ExecutionPath.Factored, BackwardPath = ExecutionPath.Merged },
            new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Keep },
        }
        select new LayerCase(update.Name, update.Update, update.N, update.K, options, Bias: options.Contractions == ContractionPolicy.Keep || options.WeightPolicy == WeightPolicy.Keep);

    public override string ToString() =>
        $"{Name}, {Options.Path}{(Options.BackwardPath is { } backward ? $"+{backward}" : "")}{(Options.WeightPolicy == WeightPolicy.Keep ? ", W kept" : "")}{(Options.Contractions == ContractionPolicy.Keep ? ", P kept" : "")}{(Options.TrainBias ? ", bias trained" : "")}";

    private static AnyUpdate Three() => new(
        new TrainedOperator(5, 2, 1), new TrainedOperator(2, 3, 0), new TrainedOperator(3, 4, 2),
        [new("core", [2, 3], new TrainedStart(1)), new("left", [5, 2], new TrainedStart(0)), new("right", [3, 4], new TrainedStart(1))]);
}
