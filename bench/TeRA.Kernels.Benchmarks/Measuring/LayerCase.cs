using System.Collections.Immutable;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>One adapted layer to measure.</summary>
/// <param name="Method">For what ours and theirs are matched by.</param>
/// <param name="Title">For people.</param>
/// <param name="Shape">The problem.</param>
/// <param name="Update">ΔW.</param>
internal sealed record LayerCase(string Method, string Title, LayerShape Shape, WeightUpdate Update)
{
    private static readonly ImmutableArray<long> Ranks8 = [8, 8, 8];

    /// <summary>At most this times the frozen forward is good.</summary>
    public double? ForwardTarget { get; init; }

    /// <summary>At most this times the frozen step is good.</summary>
    public double? StepTarget { get; init; }

    /// <summary>For a shape that must not be a cliff: the case that it may exceed by 15 %.</summary>
    public string? Like { get; init; }

    /// <summary>Its name, unique.</summary>
    public string Name => $"{Title}, {Shape}";

    /// <summary>What the planner is asked: bfloat16, a whole step, any path.</summary>
    public LayerProblem Problem => new(Shape.Tokens, Shape.OutFeatures, Shape.InFeatures, DType.BFloat16) { Update = Update };

    /// <summary>All that are measured.</summary>
    public static ImmutableArray<LayerCase> All { get; } = [.. Create()];

    /// <summary>TeRA with proposed modes, full rank or ranks 8³.</summary>
    public static LayerCase Tera(LayerShape shape, bool full)
    {
        ImmutableArray<long> rows = ModeFactorization.Propose(shape.OutFeatures), columns = ModeFactorization.Propose(shape.InFeatures);
        var update = new TeraUpdate(rows, full ? rows : Ranks8, columns, full ? columns : Ranks8);
        return new LayerCase(full ? "tera_full" : "tera_r512", full ? "TeRA full rank" : "TeRA rank 512", shape, update);
    }

    private static IEnumerable<LayerCase> Create()
    {
        LayerShape main = LayerShape.Main;
        LayerCase full = Tera(main, true) with { ForwardTarget = 1.12, StepTarget = 1.75 };
        LayerCase reduced = Tera(main, false) with { ForwardTarget = 1.12, StepTarget = 1.25 };
        LayerCase tall = Tera(main with { OutFeatures = 14336 }, false) with { ForwardTarget = 1.10, StepTarget = 1.15 };
        yield return full;
        yield return reduced;
        yield return Tera(main with { Tokens = 2048, Layers = 8 }, false) with { ForwardTarget = 1.30, StepTarget = 1.40 };
        yield return tall;
        yield return Tera(main with { InFeatures = 14336 }, false) with { ForwardTarget = 1.10, StepTarget = 1.15 };
        foreach (LayerCase other in LowRank(main))
        {
            yield return other;
        }

        LayerShape[] peersShapes = [main with { Tokens = 2048, Layers = 8 }, main with { OutFeatures = 14336 }, main with { InFeatures = 14336 }];
        foreach (LayerCase other in peersShapes.SelectMany(LowRank).Where(item => item.Method is "lora_r16" or "vera_r256" or "randlora_r32"))
        {
            yield return other with { ForwardTarget = null, StepTarget = null };
        }

        LayerShape[] shapes = [main with { OutFeatures = 5120, InFeatures = 5120 }, main with { OutFeatures = 3072, InFeatures = 3072 }, main with { OutFeatures = 11008 }, main with { Tokens = 8191 }];
        foreach (LayerShape shape in shapes)
        {
            yield return Tera(shape, true) with { Like = full.Name };
            yield return Tera(shape, false) with { Like = (shape.OutFeatures > 8192 ? tall : reduced).Name };
        }

        yield return Tera(main with { OutFeatures = 14336 }, true) with { Like = full.Name };
        yield return Tera(main with { InFeatures = 14336 }, true) with { Like = full.Name };
    }

    private static IEnumerable<LayerCase> LowRank(LayerShape shape)
    {
        (long n, long k) = (shape.OutFeatures, shape.InFeatures);
        const double forward = 1.12, step = 1.20;
        yield return new LayerCase("lora_r16", "LoRA r16", shape, new LowRankUpdate(n, k, 16)) { ForwardTarget = forward, StepTarget = step };
        yield return new LayerCase("lora_r64", "LoRA r64", shape, new LowRankUpdate(n, k, 64)) { ForwardTarget = forward, StepTarget = step };
        yield return new LayerCase("lotr_r64", "LoTR r64", shape, new LotrUpdate(n, k, 64)) { ForwardTarget = forward, StepTarget = step };
        yield return new LayerCase("lotr_r64_trained", "LoTR r64, sides trained", shape, new LotrUpdate(n, k, 64, LotrSides.Trained)) { ForwardTarget = forward, StepTarget = step };
        yield return new LayerCase("vera_r256", "VeRA r256", shape, new VeraUpdate(n, k, 256, Given(256, k, n, 256))) { ForwardTarget = forward, StepTarget = step };
        yield return new LayerCase("vera_r256_seed", "VeRA r256 from its seed", shape, new VeraUpdate(n, k, 256)) { ForwardTarget = forward, StepTarget = step };
        long bases = Math.Min(n, k) / 32;
        yield return new LayerCase("randlora_r32", "RandLoRA r32", shape, new RandLoraUpdate(n, k, 32, RandLoraPairing.Peft, Given(32, Math.Min(n, k), Math.Max(n, k), 32 * bases))) { ForwardTarget = 1.6, StepTarget = 2.2 };
        yield return new LayerCase("randlora_r32_seed", "RandLoRA r32 from its seed", shape, new RandLoraUpdate(n, k, 32, RandLoraPairing.Peft)) { ForwardTarget = 1.6, StepTarget = 2.2 };
    }

    private static FrozenBases Given(long rowsA, long columnsA, long rowsB, long columnsB) => FrozenBases.Given(DType.BFloat16, [rowsA, columnsA], [rowsB, columnsB]);
}
