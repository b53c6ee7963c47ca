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

    /// <summary>The method of this name.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static ComparedMethod Parse(string name) =>
        Array.Find(All, method => string.Equals(method.Name, name, StringComparison.OrdinalIgnoreCase)) ?? throw new UsageException($"--method: expected any of {string.Join(", ", Names)}, found '{name}'.");

    /// <summary>The update of one layer.</summary>
    public WeightUpdate Update(LayerWeights layer, FinetuneOptions options) => MethodChoice.Create(Name, layer.OutFeatures, layer.InFeatures, new MethodOptions
    {
        Rank = Name switch
        {
            "randlora" => RandLoraRank,
            "vera" => VeraRank,
            "lora" => LowRank,
            // The core that comes closest to TeRA's number of trained numbers without exceeding it.
            _ => Math.Max(1, (long)Math.Sqrt(options.Update(layer).TrainedCount)),
        },
        Seed = (ulong)options.Seed,
        Distribution = options.Distribution,
    });
}
