namespace TeRA.Kernels.Steps;

/// <summary>
/// A product that a <see cref="MatrixProductStep"/> adds into its accumulators, block by block along C's columns: with w columns a block and
/// j = 0 … N/w − 1, C[m, j·w + c] receives Σₖ A[m, j·K + k]·B[k, c]. All blocks share B. One block (w = N) is a low-rank term Z·Lᵀ; more of them are the
/// last modes of a Kronecker product, whose first mode A already holds.
/// </summary>
/// <param name="A">M × (N/w·K), the dtype of the step's A.</param>
/// <param name="B">K×w, or w×K in memory when <see cref="LayoutB"/> is transposed. Same dtype.</param>
/// <param name="K">Length of a block's sums.</param>
/// <param name="Columns">w, a divisor of N.</param>
internal sealed record BlockProduct(Operand A, Operand B, long K, long Columns)
{
    /// <summary>How B lies in memory.</summary>
    public Layout LayoutB { get; init; } = Layout.Normal;
}
