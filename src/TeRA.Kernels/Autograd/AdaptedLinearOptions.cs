namespace TeRA.Kernels;

/// <summary>Choices of an <see cref="AdaptedLinear"/>; the defaults fit training.</summary>
public sealed record AdaptedLinearOptions
{
    /// <summary>The path; by default the planner decides for every number of tokens, and may take one in forward and the other in backward.</summary>
    public ExecutionPath Path { get; init; } = ExecutionPath.Auto;

    /// <summary>
    /// Backward's path, which is dX's; null for the one asked for in <see cref="Path"/>. Where <see cref="LayerContext.InputGradient"/> said that there would be no dX,
    /// and there is one all the same, it takes forward's.
    /// </summary>
    public ExecutionPath? BackwardPath { get; init; }

    /// <summary>Merged path: keep W for backward, or build it again.</summary>
    public WeightPolicy WeightPolicy { get; init; } = WeightPolicy.Rebuild;

    /// <summary>
    /// Keep what forward computed of X by a low rank (B×R numbers), and trained matrices in the activations' dtype, for backward; by default where the rank is at
    /// most a quarter of the layer's shorter side. <see cref="ContractionPolicy.Recompute"/> takes the least memory.
    /// </summary>
    public ContractionPolicy Contractions { get; init; } = ContractionPolicy.KeepNarrow;

    /// <summary>Train the bias too: a parameter named <c>bias</c>, starting from the given bias or from zero.</summary>
    public bool TrainBias { get; init; }
}
