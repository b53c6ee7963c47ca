namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>How a method adapts a network.</summary>
/// <param name="Update">The update of each layer; null for one that stays as it is.</param>
internal sealed record MethodPlan(Func<LayerWeights, WeightUpdate?> Update)
{
    /// <summary>The frozen bases that all layers share; null for none.</summary>
    public PeftBases? Bases { get; init; }

    /// <summary>LoTR: the layers that share L and R.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Groups { get; init; }
}
