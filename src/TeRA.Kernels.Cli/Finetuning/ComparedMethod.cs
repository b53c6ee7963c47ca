using TeRA.Kernels.Cli.Commands;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>A way of adapting a network that TeRA is compared with.</summary>
/// <param name="Name">As options write it.</param>
/// <param name="Label">As the table calls it.</param>
/// <param name="LearningRate">The one that suits it.</param>
internal sealed record ComparedMethod(string Name, string Label, float LearningRate)
{
    private const long LowRank = 1, VeraRank = 64, RandLoraRank = 16;

    private static readonly ComparedMethod[] All =
    [
        new("randlora", $"RandLoRA r={RandLoraRank}", 3e-3f),
        new("vera", $"VeRA r={VeraRank}", 3e-2f),
        new("lotr", "LoTR core, frozen sides", 3e-2f),
        new("lora", $"LoRA r={LowRank}", 3e-3f),
        new("full", "full fine-tuning", 1e-3f),
    ];

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => All.Select(method => method.Name);

    /// <summary>Whether its result is an adapter; a full update belongs into a checkpoint.</summary>
    public bool HasAdapter => Name != "full";

    /// <summary>The method of this name.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static ComparedMethod Parse(string name) =>
        Array.Find(All, method => string.Equals(method.Name, name, StringComparison.OrdinalIgnoreCase)) ?? throw new UsageException($"--method: expected any of {string.Join(", ", Names)}, found '{name}'.");

    /// <summary>Its updates for these layers, such that its file format can hold them.</summary>
    public MethodPlan Plan(IReadOnlyList<LayerWeights> layers, FinetuneOptions options) => Name switch
    {
        "randlora" => RandLora(layers, options),
        "vera" => Vera(layers, options),
        "lotr" => Lotr(layers, options),
        _ => new MethodPlan(layer => MethodChoice.Create(Name, layer.OutFeatures, layer.InFeatures, new MethodOptions { Rank = LowRank, Seed = (ulong)options.Seed })),
    };

    // Bases as PEFT draws them: the adapter can go there.
    private static MethodPlan RandLora(IReadOnlyList<LayerWeights> layers, FinetuneOptions options)
    {
        BaseKind kind = options.Distribution.Kind == DistributionKind.Ternary ? BaseKind.Sparse : BaseKind.Dense;
        PeftBases bases = PeftBases.DrawRandLora((ulong)options.Seed, RandLoraRank, layers.Select(Size), kind);
        return new MethodPlan(layer => new RandLoraUpdate(layer.OutFeatures, layer.InFeatures, RandLoraRank, RandLoraPairing.Peft, bases.Description)) { Bases = bases };
    }

    private static MethodPlan Vera(IReadOnlyList<LayerWeights> layers, FinetuneOptions options)
    {
        PeftBases bases = PeftBases.DrawVera((ulong)options.Seed, VeraRank, layers.Select(Size));
        return new MethodPlan(layer => new VeraUpdate(layer.OutFeatures, layer.InFeatures, VeraRank, bases.Description)) { Bases = bases };
    }

    // A group is a size, and one adapter has one rank: the one that comes closest to TeRA's number of trained numbers without exceeding it.
    private static MethodPlan Lotr(IReadOnlyList<LayerWeights> layers, FinetuneOptions options)
    {
        long rank = Math.Max(1, (long)Math.Sqrt((double)layers.Sum(layer => options.Update(layer).TrainedCount) / layers.Count));
        LayerSize[] sizes = [.. layers.Select(Size).Distinct()];
        return new MethodPlan(layer => new LotrUpdate(
            layer.OutFeatures, layer.InFeatures, rank, LotrSides.Frozen, (ulong)options.Seed + (ulong)Array.IndexOf(sizes, Size(layer)), options.Distribution))
        {
            Groups = [.. sizes.Select(size => (IReadOnlyList<string>)[.. layers.Where(layer => Size(layer) == size).Select(layer => layer.Name)])],
        };
    }

    private static LayerSize Size(LayerWeights layer) => new(layer.OutFeatures, layer.InFeatures);
}
