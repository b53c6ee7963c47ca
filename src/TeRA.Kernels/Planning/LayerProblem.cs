using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One layer and one number of tokens, as the planner sees them: sizes and wishes, no memory and no device.</summary>
/// <param name="Tokens">B: rows of X.</param>
/// <param name="OutFeatures">N.</param>
/// <param name="InFeatures">K.</param>
/// <param name="DType">Of X, Y, W0, b and the activation gradients.</param>
public sealed record LayerProblem(long Tokens, long OutFeatures, long InFeatures, DType DType)
{
    private const long NarrowShare = 4;

    /// <summary>The updates, which add up; none for a plain frozen layer.</summary>
    public ImmutableArray<WeightUpdate> Updates { get; init; } = [];

    /// <summary>The first of the updates, in most layers the only one; null for a plain frozen layer.</summary>
    public WeightUpdate? Update
    {
        get => Updates.IsEmpty ? null : Updates[0];
        init => Updates = value is null ? [] : [value];
    }

    /// <summary>There is a bias.</summary>
    public bool HasBias { get; init; }

    /// <summary>The bias is trained: its gradient is accumulated, and its values are parameters.</summary>
    public bool TrainBias { get; init; }

    /// <summary>Backward will be asked for dX.</summary>
    public bool NeedInputGradient { get; init; } = true;

    /// <summary>Backward will be asked for the parameters' gradients.</summary>
    public bool NeedParameterGradients { get; init; } = true;

    /// <summary>The path, or <see cref="ExecutionPath.Auto"/>.</summary>
    public ExecutionPath Path { get; init; } = ExecutionPath.Auto;

    /// <summary>Backward's path; null for the one asked for in <see cref="Path"/>.</summary>
    public ExecutionPath? BackwardPath { get; init; }

    /// <summary>Merged path: what becomes of W between forward and backward.</summary>
    public WeightPolicy WeightPolicy { get; init; } = WeightPolicy.Rebuild;

    /// <summary>What becomes of the contractions of X, and of trained matrices in the activations' dtype, between forward and backward.</summary>
    public ContractionPolicy Contractions { get; init; } = ContractionPolicy.KeepNarrow;

    /// <summary>A backward follows.</summary>
    public bool NeedBackward => NeedInputGradient || NeedParameterGradients;

    /// <summary>Whether forward leaves a contraction with this many columns for backward.</summary>
    internal bool KeepsContraction(long rank) => NeedParameterGradients && (Contractions == ContractionPolicy.Keep || KeepsMatrix(rank));

    /// <summary>Whether forward leaves a trained matrix of this rank, in the activations' dtype, for backward.</summary>
    internal bool KeepsMatrix(long rank) =>
        NeedBackward && Contractions != ContractionPolicy.Recompute && rank <= Math.Min(OutFeatures, InFeatures) / NarrowShare;

    /// <summary>dtype of trained values and of every gradient of them.</summary>
    public DType ParameterDType => DType.ParameterDType();
}
