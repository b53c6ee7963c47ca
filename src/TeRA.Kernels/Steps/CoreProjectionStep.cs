namespace TeRA.Kernels.Steps;

/// <summary>
/// With H = Qᵀ·P (R×S, never stored) and the core G regenerated in the epilogue:
/// RowGradient[r] = alpha · Σ_s H[r, s]·G[r, s]·ColumnScale[s], ColumnGradient[s] = alpha · Σ_r H[r, s]·G[r, s]·RowScale[r].
/// Both are overwritten, and summed in a fixed order.
/// </summary>
/// <param name="Q">B×R.</param>
/// <param name="P">B×S, same dtype as Q.</param>
/// <param name="RowScale">d, R elements, float32 (float64).</param>
/// <param name="ColumnScale">e, S elements, float32 (float64).</param>
/// <param name="RowGradient">g_d, R elements, float32 (float64).</param>
/// <param name="ColumnGradient">g_e, S elements, float32 (float64).</param>
/// <param name="Tokens">B.</param>
/// <param name="Core">G.</param>
internal sealed record CoreProjectionStep(
    Operand Q, Operand P, Operand RowScale, Operand ColumnScale, Operand RowGradient, Operand ColumnGradient, long Tokens, CoreSource Core) : Step
{
    /// <summary>Factor of both results.</summary>
    public double Alpha { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => (2.0 * Tokens + 4) * Core.R * Core.S;

    /// <inheritdoc/>
    public override double Bytes => (double)Tokens * ((double)Core.R + Core.S) * Q.DType.Size();
}
