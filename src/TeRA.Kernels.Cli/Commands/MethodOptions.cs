namespace TeRA.Kernels.Cli.Commands;

/// <summary>What the methods beside TeRA are described with.</summary>
internal sealed record MethodOptions
{
    /// <summary>r; null for the method's usual one.</summary>
    public long? Rank { get; init; }

    /// <summary>Of frozen factors and random starts.</summary>
    public ulong Seed { get; init; }

    /// <summary>Of RandLoRA's and LoTR's frozen factors.</summary>
    public Distribution Distribution { get; init; }

    /// <summary>RandLoRA's.</summary>
    public RandLoraPairing Pairing { get; init; }

    /// <summary>LoTR's.</summary>
    public LotrSides Sides { get; init; }
}
