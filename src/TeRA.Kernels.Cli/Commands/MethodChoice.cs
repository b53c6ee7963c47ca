namespace TeRA.Kernels.Cli.Commands;

/// <summary>The methods beside TeRA by the names that options use.</summary>
internal static class MethodChoice
{
    /// <summary>All names, TeRA's too, for help texts and errors.</summary>
    public const string Names = "tera, randlora, vera, lotr, lora or full";

    /// <summary>The update of a layer.</summary>
    /// <param name="method">Its name in lower case.</param>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="options">What the method may use.</param>
    /// <exception cref="UsageException">There is no such method.</exception>
    public static WeightUpdate Create(string method, long outFeatures, long inFeatures, MethodOptions options) => method switch
    {
        "randlora" => new RandLoraUpdate(outFeatures, inFeatures, options.Rank ?? 32, options.Pairing, FrozenBases.Generated(options.Seed, options.Distribution)),
        "vera" => new VeraUpdate(outFeatures, inFeatures, options.Rank ?? 256, FrozenBases.Generated(options.Seed, Distribution.Uniform)),
        "lotr" => new LotrUpdate(outFeatures, inFeatures, options.Rank ?? 16, options.Sides, options.Seed, options.Sides == LotrSides.Trained ? default : options.Distribution),
        "lora" => new LowRankUpdate(outFeatures, inFeatures, options.Rank ?? 16, seed: options.Seed),
        "full" => new FullUpdate(outFeatures, inFeatures),
        _ => throw new UsageException($"--method: expected {Names}, found '{method}'."),
    };
}
