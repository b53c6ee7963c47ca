namespace TeRA.Kernels.Steps;

/// <summary>
/// The gradients of the core's diagonals from H = Uᵀ·dW·V in memory, with the core G regenerated beside it:
/// RowGradient[r] = alpha · Σ_s H[r, s]·G[r, s]·ColumnScale[s], ColumnGradient[s] = alpha · Σ_r H[r, s]·G[r, s]·RowScale[r].
/// Both are overwritten, and summed in a fixed order. <see cref="CoreProjectionStep"/> does the same from Q and P, without H in memory.
/// </summary>
/// <param name="H">R×S; where <see cref="Contraction"/> makes it, the workspace.</param>
/// <param name="RowScale">d, R elements, float32 (float64).</param>
/// <param name="ColumnScale">e, S elements, float32 (float64).</param>
/// <param name="RowGradient">g_d, R elements, float32 (float64).</param>
/// <param name="ColumnGradient">g_e, S elements, float32 (float64).</param>
/// <param name="Core">G.</param>
internal sealed record CoreMarginalsStep(
    Operand H, Operand RowScale, Operand ColumnScale, Operand RowGradient, Operand ColumnGradient, CoreSource Core) : Step
{
    /// <summary>Factor of both results.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>
    /// G in memory instead, in the distribution's units and rounded to H's dtype, as a <see cref="FillRandomStep"/> with the scale 1/unit leaves it. CUDA
    /// devices read it where they also contract.
    /// </summary>
    public Operand? Generated { get; init; }

    /// <summary>
    /// The product of rows whose output H is. A kernel that does both never stores H, nor rounds it; CUDA devices take it where they have one (see
    /// <c>WgmmaModesShape</c>), and refuse it elsewhere.
    /// </summary>
    public KroneckerStep? Contraction { get; init; }

    /// <inheritdoc/>
    public override double Operations => (5.0 * Core.R * Core.S) + (Contraction?.Operations ?? 0);

    /// <inheritdoc/>
    public override double Bytes
    {
        get
        {
            double matrix = (double)Core.R * Core.S * H.DType.Size(), core = Generated is null ? 0 : matrix;
            return core + (Contraction is { } product ? product.Bytes - matrix : matrix); // H is read, or not even written
        }
    }
}
