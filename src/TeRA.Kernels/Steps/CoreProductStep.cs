namespace TeRA.Kernels.Steps;

/// <summary>
/// A product with the regenerated core. Forward: C[b, r] = alpha · Σ_s A[b, s]·scale[s]·G[r, s] (A B×S, C B×R).
/// Backward (<see cref="OverRows"/>): C[b, s] = alpha · Σ_r A[b, r]·scale[r]·G[r, s] (A B×R, C B×S).
/// </summary>
/// <param name="A">The left operand.</param>
/// <param name="C">The result, overwritten; same dtype as A.</param>
/// <param name="Tokens">B.</param>
/// <param name="Core">G.</param>
internal sealed record CoreProductStep(Operand A, Operand C, long Tokens, CoreSource Core) : Step
{
    /// <summary>Sum over G's rows instead of its columns.</summary>
    public bool OverRows { get; init; }

    /// <summary>float32 (float64) vector along the summed index; null for ones.</summary>
    public Operand? Scale { get; init; }

    /// <summary>Factor of the product.</summary>
    public double Alpha { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => 2.0 * Tokens * Core.R * Core.S;

    /// <inheritdoc/>
    public override double Bytes => (double)Tokens * ((double)Core.R + Core.S) * A.DType.Size();
}
