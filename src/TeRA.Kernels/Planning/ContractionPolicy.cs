namespace TeRA.Kernels;

/// <summary>
/// What becomes, between forward and backward, of what forward computed on the way: the contractions of X by the update's right operators (P = X·Rightᵀ, P = X·V),
/// and trained matrices in the activations' dtype. Only what backward reads is kept, and the plan states its bytes.
/// </summary>
public enum ContractionPolicy
{
    /// <summary>Kept where the rank is at most a quarter of the shorter side of the layer: B·R numbers, little beside the activations X and dY.</summary>
    KeepNarrow,

    /// <summary>The contractions are kept whatever the rank, as large as X at full rank; trained matrices where they are narrow, as above.</summary>
    Keep,

    /// <summary>Computed again in backward: the least memory.</summary>
    Recompute,
}
