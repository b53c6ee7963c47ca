namespace TeRA.Kernels.Steps;

/// <summary>
/// The regenerated core between its diagonals, with the first mode of one side already applied: what a token's contraction is multiplied by when the
/// other modes are left to the product that follows (<see cref="BlockProduct"/>). With rows r = (i₁, i) and columns s = (j₁, j), the first index slowest:
/// Output[(o, i), s] = alpha · Σ_{i₁} F[o, i₁] · RowScale[r] · G[r, s] · ColumnScale[s], (Out·R/In) × S; or, <see cref="OverColumns"/>,
/// Output[(o, j), r] = alpha · Σ_{j₁} F[o, j₁] · ColumnScale[s] · G[r, s] · RowScale[r], (Out·S/In) × R.
/// </summary>
/// <param name="Output">Overwritten; any floating dtype.</param>
/// <param name="First">F: the first mode of the rows' side (of the columns' side), ranks → features.</param>
/// <param name="RowScale">d, R elements, float32 (float64); null for ones.</param>
/// <param name="ColumnScale">e, S elements, float32 (float64); null for ones.</param>
/// <param name="Factors">Where F comes from.</param>
/// <param name="Core">G.</param>
internal sealed record CoreExpansionStep(
    Operand Output, KroneckerMode First, Operand? RowScale, Operand? ColumnScale, RandomSource Factors, CoreSource Core) : Step
{
    /// <summary>Expand the columns' first mode; the output is then numbered by columns first.</summary>
    public bool OverColumns { get; init; }

    /// <summary>Factor of the result.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>Rows of the output.</summary>
    public long Rows => (OverColumns ? Core.S : Core.R) / First.In * First.Out;

    /// <summary>Columns of the output.</summary>
    public long Columns => OverColumns ? Core.R : Core.S;

    /// <inheritdoc/>
    public override double Operations => (2.0 * First.Out + 2) * Core.R * Core.S;

    /// <inheritdoc/>
    public override double Bytes => (double)Rows * Columns * Output.DType.Size();
}
