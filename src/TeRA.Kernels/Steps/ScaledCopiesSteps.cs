namespace TeRA.Kernels.Steps;

/// <summary>
/// n copies of the top left Rows×Columns part of a matrix, below each other, each with its own scales, in another dtype where asked for:
/// Output[j, k] = RowScale[ρ, b] · Input[ρ, k] · ColumnScale[b, k], computed in float32 (float64) from left to right and rounded once.
/// </summary>
/// <param name="Input">A matrix of at least Rows rows, <see cref="Stride"/> elements apart.</param>
/// <param name="Output">(n·Rows)×Columns, contiguous, overwritten.</param>
/// <param name="Rows">Rows of one copy.</param>
/// <param name="Columns">Columns.</param>
internal sealed record ScaledCopiesStep(Operand Input, Operand Output, long Rows, long Columns) : Step
{
    /// <summary>Elements from one row of the input to the next, at least Columns.</summary>
    public required long Stride { get; init; }

    /// <summary>n.</summary>
    public long Copies { get; init; } = 1;

    /// <summary>Which number j row ρ of copy b has.</summary>
    public CopyOrder Order { get; init; }

    /// <summary>λ, Rows×n, float32 (float64); null for ones.</summary>
    public Operand? RowScale { get; init; }

    /// <summary>γ, n×Columns, float32 (float64); null for ones.</summary>
    public Operand? ColumnScale { get; init; }

    /// <inheritdoc/>
    public override double Operations => 2.0 * Copies * Rows * Columns;

    /// <inheritdoc/>
    public override double Bytes => (double)Rows * Columns * (Input.DType.Size() + ((double)Copies * Output.DType.Size()));

    /// <summary>The row ρ and the copy b that output row <paramref name="j"/> comes from.</summary>
    public static (long Row, long Copy) Place(CopyOrder order, long rows, long copies, long j) =>
        order == CopyOrder.CopyByCopy ? (j % rows, j / rows) : (j / copies, j % copies);
}

/// <summary>
/// The gradients of the scales of a <see cref="ScaledCopiesStep"/> from the gradient of its output, E:
/// RowGradient[ρ, b] += Σ_k E[j, k]·Input[ρ, k]·ColumnScale[b, k], ColumnGradient[b, k] += Σ_ρ E[j, k]·Input[ρ, k]·RowScale[ρ, b], each summed in a
/// fixed order.
/// </summary>
/// <param name="Gradient">E, (n·Rows)×Columns, of any dtype.</param>
/// <param name="Input">As in the step.</param>
/// <param name="RowScale">λ, Rows×n, float32 (float64).</param>
/// <param name="ColumnScale">γ, n×Columns, float32 (float64).</param>
/// <param name="RowGradient">Rows×n, float32 (float64), accumulated into.</param>
/// <param name="ColumnGradient">n×Columns, float32 (float64), accumulated into.</param>
/// <param name="Rows">Rows of one copy.</param>
/// <param name="Columns">Columns.</param>
internal sealed record ScaledCopiesGradientStep(
    Operand Gradient, Operand Input, Operand RowScale, Operand ColumnScale, Operand RowGradient, Operand ColumnGradient, long Rows, long Columns) : Step
{
    /// <summary>Elements from one row of the input to the next, at least Columns.</summary>
    public required long Stride { get; init; }

    /// <summary>n.</summary>
    public long Copies { get; init; } = 1;

    /// <summary>Which number j row ρ of copy b has.</summary>
    public CopyOrder Order { get; init; }

    /// <inheritdoc/>
    public override double Operations => 6.0 * Copies * Rows * Columns;

    /// <inheritdoc/>
    public override double Bytes => (double)Rows * Columns * (Input.DType.Size() + ((double)Copies * Gradient.DType.Size()));
}
