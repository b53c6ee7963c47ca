namespace TeRA.Kernels;

/// <summary>Choices of an <see cref="AdaptedLinear"/>; the defaults fit training.</summary>
public sealed record AdaptedLinearOptions
{
    /// <summary>The path; by default the planner decides for every number of tokens.</summary>
    public ExecutionPath Path { get; init; } = ExecutionPath.Auto;

    /// <summary>Merged path: keep W for backward, or build it again.</summary>
    public WeightPolicy WeightPolicy { get; init; } = WeightPolicy.Rebuild;

    /// <summary>Factored path: keep X·Rightᵀ (B×S numbers) for backward instead of computing it again.</summary>
    public bool KeepContractions { get; init; }

    /// <summary>Train the bias too: a parameter named <c>bias</c>, starting from the given bias or from zero.</summary>
    public bool TrainBias { get; init; }
}
