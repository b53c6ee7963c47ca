namespace TeRA.Kernels.Steps;

/// <summary>Whether an operand of a matrix product lies in memory as the formula has it, or transposed.</summary>
internal enum Layout
{
    /// <summary>Rows of the formula's matrix are contiguous.</summary>
    Normal,

    /// <summary>Its transpose lies in memory.</summary>
    Transposed,
}

/// <summary>
/// C = alpha · (A·B + <see cref="Blocks"/>) + AddTo + bias, with A M×K, B K×N, C M×N, accumulated in float32 (float64 for float64) and rounded once.
/// The three products of a linear layer: Y = X·Wᵀ is (Normal, Transposed), dX = dY·W is (Normal, Normal), dW = dYᵀ·X is (Transposed, Normal).
/// </summary>
/// <param name="A">M×K, or K×M in memory when <see cref="LayoutA"/> is transposed.</param>
/// <param name="B">K×N, or N×K in memory when <see cref="LayoutB"/> is transposed. Same dtype as A.</param>
/// <param name="C">M×N; the dtype of A, or float32.</param>
/// <param name="M">Rows of C.</param>
/// <param name="N">Columns of C.</param>
/// <param name="K">Length of the sums.</param>
internal sealed record MatrixProductStep(Operand A, Operand B, Operand C, long M, long N, long K) : Step
{
    /// <summary>How A lies in memory.</summary>
    public Layout LayoutA { get; init; } = Layout.Normal;

    /// <summary>How B lies in memory.</summary>
    public Layout LayoutB { get; init; } = Layout.Normal;

    /// <summary>Factor of the product, applied in float32 to the sum.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>M×N in C's dtype, added before the one rounding; may be C itself. Without it C is overwritten and never read.</summary>
    public Operand? AddTo { get; init; }

    /// <summary>A second product in the same accumulators, block by block along C's columns; null for none.</summary>
    public BlockProduct? Blocks { get; init; }

    /// <summary>Whether C is added to in place.</summary>
    public bool Accumulates => AddTo == C;

    /// <summary>Row vector of N elements added to every row (after alpha), in the dtype of A.</summary>
    public Operand? Bias { get; init; }

    /// <inheritdoc/>
    public override double Operations => 2.0 * M * N * (K + (Blocks?.K ?? 0));

    /// <inheritdoc/>
    public override double Bytes =>
        (((double)M * K) + ((double)K * N)) * A.DType.Size() + ((double)M * N * C.DType.Size() * (AddTo is null ? 1 : 2))
        + (Blocks is { } blocks ? ((double)M * N / blocks.Columns * blocks.K + ((double)blocks.K * blocks.Columns)) * A.DType.Size() : 0);
}
